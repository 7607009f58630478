/** Medians, ratios and tables. A ratio is the median of the ratios of each round: relay and peer moments apart. */
import { SERVER_CORE } from './processes.js';
import type { LoadResult } from './generator/load.js';
import { PEERS, type PeerName } from './peers.js';
import type { Metric, Scenario } from './scenarios.js';

export type Saturation = 'server' | 'generator' | 'others' | 'neither';

export interface Run {
  readonly scenario: string;
  readonly peer: PeerName;
  readonly round: number;
  readonly result: LoadResult;
}

interface Column {
  readonly head: string;
  readonly digits: number;
  /** Whether less is better. */
  readonly isCost: boolean;
  readonly of: (result: LoadResult) => number;
}

const COLUMNS: Readonly<Record<Metric, Column>> = {
  deliveriesPerSecond: { head: 'deliveries/s', digits: 0, isCost: false, of: (r) => r.deliveriesPerSecond },
  cpuMicrosPerDelivery: { head: 'CPU µs/delivery', digits: 2, isCost: true, of: (r) => r.cpuMicrosPerDelivery },
  p50: { head: 'p50 ms', digits: 1, isCost: true, of: (r) => r.latencyMs.p50 },
  p99: { head: 'p99 ms', digits: 1, isCost: true, of: (r) => r.latencyMs.p99 },
  rssPerConnectionKib: { head: 'RSS KiB/connection', digits: 1, isCost: true, of: (r) => r.rssPerConnectionKib },
  connectsPerSecond: { head: 'connects/s', digits: 0, isCost: false, of: (r) => r.connectsPerSecond },
};

const FAULTS = [
  'lost',
  'duplicates',
  'outOfOrder',
  'misrouted',
  'malformed',
  'failed',
  'disconnects',
  'stalls',
] as const;
const BUSY_PERCENT = 85;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

/**
 * Who set the pace. Where the servers' core was busy with `others`, the machine was shared; where there was `neither`,
 * something else held the run up. The throughput of such runs does not count.
 */
export function saturation(result: LoadResult): Saturation {
  if (result.serverCpuPercent + result.brokerCpuPercent >= BUSY_PERCENT) return 'server';
  if (result.generatorCpuPercent >= BUSY_PERCENT) return 'generator';
  return result.serverCorePercent >= BUSY_PERCENT ? 'others' : 'neither';
}

/** `lost 3, duplicates 1`, or `none`. */
export function faults(result: LoadResult): string {
  const found = FAULTS.filter((fault) => result[fault] > 0).map((fault) => `${fault} ${number(result[fault], 0)}`);
  return found.length === 0 ? 'none' : found.join(', ');
}

export function runLine({ peer, round, result }: Run, scenario: Scenario): string {
  const figures = scenario.metrics.map((metric) => {
    const { head, digits, of } = COLUMNS[metric];
    return `${number(of(result), digits)} ${head}`;
  });
  const busy =
    scenario.load.publishers === 0
      ? ''
      : `; server ${result.serverCpuPercent} %, broker ${result.brokerCpuPercent} %, core ${SERVER_CORE} ` +
        `${result.serverCorePercent} %, generator ${result.generatorBusyPercent} % (CPU ${result.generatorCpuPercent} %)`;
  const problem = result.firstProblem === '' ? '' : ` [${result.firstProblem}]`;
  return `  ${scenario.name} ${round + 1} ${peer.padEnd(15)} ${figures.join(', ')}${busy}; faults: ${faults(result)}${problem}`;
}

/** A scenario as a table in Markdown, which is good to read on a terminal too. */
export function table(scenario: Scenario, runs: readonly Run[]): string {
  const mine = runs.filter((run) => run.scenario === scenario.name);
  const isIdle = scenario.load.publishers === 0;
  const isThroughput = scenario.load.window > 0 && !isIdle;
  const ratioHeads = scenario.metrics.map((metric) => `relay is, ${COLUMNS[metric].head}`);
  const rest = isIdle ? ['with broker, KiB'] : ['p50 / p99 / p99.9 ms', ...(isThroughput ? ['saturated'] : [])];
  const head = ['server', ...scenario.metrics.map((metric) => COLUMNS[metric].head), ...ratioHeads, ...rest, 'faults'];
  const rows = scenario.peers.flatMap((peer) => {
    const own = mine.filter((run) => run.peer === peer).map((run) => run.result);
    if (own.length === 0) return [];
    const middle = (of: (result: LoadResult) => number): number => median(own.map(of));
    const quantiles = (['p50', 'p99', 'p999'] as const)
      .map((q) =>
        number(
          middle((r) => r.latencyMs[q]),
          1,
        ),
      )
      .join(' / ');
    return [
      [
        PEERS[peer].title,
        ...scenario.metrics.map(
          (metric) => mark(metric, own) + number(middle(COLUMNS[metric].of), COLUMNS[metric].digits),
        ),
        ...scenario.metrics.map((metric) => ratioText(metric, mine, peer)),
        ...(isIdle
          ? [
              number(
                middle((r) => r.rssPerConnectionAllKib),
                1,
              ),
            ]
          : [quantiles]),
        ...(isThroughput ? [own.map(saturation).join(' ')] : []),
        worst(own),
      ],
    ];
  });
  return markdown(head, rows);
}

/** The relay over a peer, or where less is better the peer over the relay: more than 1 is in favour of the relay. */
export function ratio(metric: Metric, runs: readonly Run[], peer: PeerName, base: PeerName = 'relay'): number {
  const { of, isCost } = COLUMNS[metric];
  const values = runs
    .filter((run) => run.peer === peer)
    .flatMap((run) => {
      const ours = runs.find((other) => other.peer === base && other.round === run.round);
      if (!ours) return [];
      return isCost ? of(run.result) / of(ours.result) : of(ours.result) / of(run.result);
    })
    .filter((value) => Number.isFinite(value) && value > 0);
  return median(values);
}

function ratioText(metric: Metric, runs: readonly Run[], peer: PeerName): string {
  if (peer === 'relay') return '1';
  const value = ratio(metric, runs, peer);
  return Number.isFinite(value) ? `${number(value, value < 10 ? 2 : 0)}x better` : '-';
}

/** `≥` where the generator, not the server, was the limit in most rounds. */
function mark(metric: Metric, results: readonly LoadResult[]): string {
  if (metric !== 'deliveriesPerSecond') return '';
  return results.filter((result) => saturation(result) === 'generator').length * 2 > results.length ? '≥ ' : '';
}

function worst(results: readonly LoadResult[]): string {
  const count = (result: LoadResult): number => FAULTS.reduce((sum, fault) => sum + result[fault], 0);
  return faults(results.reduce((a, b) => (count(b) > count(a) ? b : a)));
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((text, i) => Math.max(text.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}

export function number(value: number, digits: number): string {
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
