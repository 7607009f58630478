/**
 * Combines the metrics of all workers into one text. Metrics of the relay are aggregated, by `aggregator` in
 * metrics.ts. Metrics of a process, such as its memory, stay separate and get a label `worker`.
 */
import { AggregatorRegistry } from 'prom-client';
import type { MetricValues } from '../admin/metrics.js';

const PREFIX = 'stomp_relay_';

/** All metrics of one process. */
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
    values.map((metric) => (metric.name.startsWith(PREFIX) ? metric : withWorker(metric, worker))),
  );
  return AggregatorRegistry.aggregate([...labelled, ended]).metrics();
}

/**
 * Adds the counters of an ended worker to those of earlier ended workers. Without them the sums would fall. Prometheus
 * takes a falling counter for a restart from 0, and would count the whole remaining sum again.
 */
export function addEnded(before: readonly MetricValues[], ended: readonly MetricValues[]): MetricValues[] {
  const counters = ended.filter(({ name, type }) => name.startsWith(PREFIX) && String(type) === 'counter');
  // The metrics of an aggregate are plain values, unlike their declared type
  return AggregatorRegistry.aggregate([before, counters]).getMetricsAsArray() as unknown as MetricValues[];
}

function withWorker(metric: MetricValues, worker: string): MetricValues {
  const values = metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } }));
  return { ...metric, values, aggregator: 'first' };
}
