/** Counters and CPU use at a moment. A result is the difference of two readings plus the totals of the run. */
import type { Histogram } from './histogram.js';
import type { Load, LoadResult } from './load.js';
import { readCoreSeconds, readFigures } from './process-figures.js';
import type { ProcessFigures } from './process-figures.js';
import type { Tally } from './tally.js';

const SERVER_CORE = 0;

export interface Reading {
  /** Seconds. */
  readonly at: number;
  readonly server: ProcessFigures;
  readonly broker: ProcessFigures;
  /** CPU seconds of the servers' core (`core`) and of the generator (`cpu`). */
  readonly core: number;
  readonly cpu: number;
  readonly idleMs: number;
  readonly delivered: number;
  readonly published: number;
}

export function takeReading(load: Load, tally: Tally, idleMs: number): Reading {
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now() / 1_000,
    server: readFigures(load.serverPids),
    broker: readFigures(load.brokerPids),
    core: readCoreSeconds(SERVER_CORE),
    cpu: (user + system) / 1e6,
    idleMs,
    delivered: tally.unique,
    published: tally.published,
  };
}

type Measured =
  | 'deliveriesPerSecond'
  | 'publishedPerSecond'
  | 'cpuMicrosPerDelivery'
  | 'serverCpuPercent'
  | 'brokerCpuPercent'
  | 'serverCorePercent'
  | 'generatorBusyPercent'
  | 'generatorCpuPercent';

/** The figures of the time between two readings. */
export function between(from: Reading, to: Reading): Pick<LoadResult, Measured> {
  const span = to.at - from.at;
  const delivered = to.delivered - from.delivered;
  const server = to.server.cpuSeconds - from.server.cpuSeconds;
  const broker = to.broker.cpuSeconds - from.broker.cpuSeconds;
  const percent = (seconds: number): number => (span > 0 ? Math.round((seconds / span) * 1_000) / 10 : 0);
  return {
    deliveriesPerSecond: span > 0 ? delivered / span : 0,
    publishedPerSecond: span > 0 ? (to.published - from.published) / span : 0,
    cpuMicrosPerDelivery: delivered > 0 ? ((server + broker) * 1e6) / delivered : 0,
    serverCpuPercent: percent(server),
    brokerCpuPercent: percent(broker),
    serverCorePercent: percent(to.core - from.core),
    generatorBusyPercent: percent(span - (to.idleMs - from.idleMs) / 1_000),
    generatorCpuPercent: percent(to.cpu - from.cpu),
  };
}

/** Memory growth per session, from before the first session to all sessions idle. */
export function perSession(fresh: Reading, idle: Reading, sessions: number) {
  const grown = idle.server.rssKib - fresh.server.rssKib;
  return {
    rssPerConnectionKib: grown / Math.max(1, sessions),
    rssPerConnectionAllKib: (grown + idle.broker.rssKib - fresh.broker.rssKib) / Math.max(1, sessions),
  };
}

/** The totals of the run. */
export function found(tally: Tally) {
  return {
    expected: tally.expected,
    unique: tally.unique,
    lost: tally.expected - tally.unique,
    duplicates: tally.duplicates,
    outOfOrder: tally.outOfOrder,
    misrouted: tally.misrouted,
    malformed: tally.malformed,
  };
}

export function quantiles(latency: Histogram): LoadResult['latencyMs'] {
  const millis = (share: number): number => latency.quantile(share) / 1_000;
  return { p50: millis(0.5), p99: millis(0.99), p999: millis(0.999), max: latency.max / 1_000 };
}
