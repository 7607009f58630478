/** A run: one load on one server. Determines its bottleneck and its faults. */
import type { LoadResult } from './generator/load.js';
import type { PeerName } from './peers.js';

export interface Run {
  readonly scenario: string;
  readonly peer: PeerName;
  readonly round: number;
  readonly result: LoadResult;
}

export type Saturation = 'server' | 'generator' | 'others' | 'neither';

const BUSY_PERCENT = 85;
/** The generator never sleeps: below this share, other processes used its core. */
const GENERATOR_CORE_PERCENT = 90;

/**
 * The bottleneck of a run. With `others`, other processes kept one of the cores busy; with `neither`, something else
 * delayed the run. The throughput of such runs does not count.
 */
export function saturation(result: LoadResult): Saturation {
  if (result.generatorCpuPercent < GENERATOR_CORE_PERCENT) return 'others';
  if (result.serverCpuPercent + result.brokerCpuPercent >= BUSY_PERCENT) return 'server';
  if (result.generatorBusyPercent >= BUSY_PERCENT) return 'generator';
  return result.serverCorePercent >= BUSY_PERCENT ? 'others' : 'neither';
}

const FAULTS = ['lost', 'duplicates', 'outOfOrder'] as const;
const OTHER_FAULTS = ['misrouted', 'malformed', 'failed', 'disconnects', 'stalls'] as const;

type Fault = (typeof FAULTS)[number] | (typeof OTHER_FAULTS)[number];

const sum = (results: readonly LoadResult[], fault: Fault): number =>
  results.reduce((total, result) => total + result[fault], 0);

/** Lost / duplicate / out of order, summed over the results. */
export function faults(results: readonly LoadResult[]): string {
  return FAULTS.map((fault) => sum(results, fault).toLocaleString('en-US')).join(' / ');
}

/** For example `disconnects 3, stalls 1`, or `none`. */
export function otherFaults(results: readonly LoadResult[]): string {
  const found = OTHER_FAULTS.filter((fault) => sum(results, fault) > 0);
  return found.length === 0 ? 'none' : found.map((fault) => `${fault} ${sum(results, fault)}`).join(', ');
}

export function sumOfFaults(result: LoadResult): number {
  return [...FAULTS, ...OTHER_FAULTS].reduce((total, fault) => total + result[fault], 0);
}
