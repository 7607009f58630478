/**
 * The metrics of all workers as one text. What the relay counts itself adds up (or whatever `aggregator` in metrics.ts
 * says); what concerns a process, such as memory and lag of the event loop, stays apart with a label `worker`.
 */
import { AggregatorRegistry } from 'prom-client';
import type { MetricValues } from '../admin/metrics.js';

const OURS = 'stomp_relay_';

/** Everything that one process says of itself. */
export interface ProcessMetrics {
  /** A worker's number, or `primary`. */
  readonly worker: string;
  readonly values: readonly MetricValues[];
}

export function sumOfWorkers(
  processes: readonly ProcessMetrics[],
  ended: readonly MetricValues[] = [],
): Promise<string> {
  const labelled = processes.map(({ worker, values }) =>
    values.map((metric) => (metric.name.startsWith(OURS) ? metric : withWorker(metric, worker))),
  );
  return AggregatorRegistry.aggregate([...labelled, ended]).metrics();
}

/**
 * Adds what an ended worker had counted to what those before it had: to Prometheus a counter that falls has started
 * again from 0, and all that the other workers ever counted would look new.
 */
export function addEnded(before: readonly MetricValues[], ended: readonly MetricValues[]): MetricValues[] {
  const counters = ended.filter(({ name, type }) => name.startsWith(OURS) && String(type) === 'counter');
  // In an aggregate, a metric is its own values.
  return AggregatorRegistry.aggregate([before, counters]).getMetricsAsArray() as unknown as MetricValues[];
}

function withWorker(metric: MetricValues, worker: string): MetricValues {
  const values = metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } }));
  return { ...metric, values, aggregator: 'first' };
}
