/** Medians and ratios. A ratio is the median of the ratios of each round, as relay and peer then run moments apart. */
import type { LoadResult } from './generator/load.js';
import type { PeerName } from './peers.js';
import { saturation } from './runs.js';
import type { Run } from './runs.js';
import type { Metric } from './scenarios.js';

interface MetricKind {
  readonly head: string;
  /** Whether less is better. */
  readonly isCost: boolean;
  readonly of: (result: LoadResult) => number;
  readonly show: (value: number) => string;
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export const whole = (value: number): string => number(value, 0);
export const tenths = (value: number): string => number(value, 1);

export const METRICS: Readonly<Record<Metric, MetricKind>> = {
  deliveriesPerSecond: { head: 'deliveries/s', isCost: false, of: (r) => r.deliveriesPerSecond, show: whole },
  cpuMicrosPerDelivery: {
    head: 'CPU µs/delivery',
    isCost: true,
    of: (r) => r.cpuMicrosPerDelivery,
    show: (value) => number(value, 2),
  },
  serverMicrosPerDelivery: {
    head: "the server's CPU µs/delivery",
    isCost: true,
    of: (r) => (r.serverCpuPercent * 1e4) / r.deliveriesPerSecond,
    show: (value) => number(value, 2),
  },
  p50: { head: 'p50 ms', isCost: true, of: (r) => r.latencyMs.p50, show: tenths },
  p99: { head: 'p99 ms', isCost: true, of: (r) => r.latencyMs.p99, show: tenths },
  rssPerConnectionKib: { head: 'RSS KiB/session', isCost: true, of: (r) => r.rssPerConnectionKib, show: tenths },
  connectsPerSecond: { head: 'connects/s', isCost: false, of: (r) => r.connectsPerSecond, show: whole },
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/** Selects the runs that count. A throughput counts only if the server or the generator was saturated. */
export function counting(metric: Metric, runs: readonly Run[]): Run[] {
  if (metric !== 'deliveriesPerSecond') return [...runs];
  return runs.filter(({ result }) => ['server', 'generator'].includes(saturation(result)));
}

/** The ratio of each round; above 1, `base` is better. */
export function ratios(metric: Metric, runs: readonly Run[], base: PeerName, peer: PeerName): number[] {
  const { of, isCost } = METRICS[metric];
  return pairsOf(runs, base, peer)
    .map(([{ result: ours }, { result }]) => (isCost ? of(result) / of(ours) : of(ours) / of(result)))
    .filter((value) => Number.isFinite(value) && value > 0);
}

/** The difference of each round; above 0, `peer` has the higher figure. */
export function differences(metric: Metric, runs: readonly Run[], base: PeerName, peer: PeerName): number[] {
  const { of } = METRICS[metric];
  return pairsOf(runs, base, peer).map(([ours, theirs]) => of(theirs.result) - of(ours.result));
}

/** The runs of the two servers in the same rounds. */
function pairsOf(runs: readonly Run[], base: PeerName, peer: PeerName): [Run, Run][] {
  return runs
    .filter((run) => run.peer === peer)
    .flatMap((run): [Run, Run][] => {
      const ours = runs.find((other) => other.peer === base && other.round === run.round);
      return ours ? [[ours, run]] : [];
    });
}
