/** The results as Markdown tables, readable on a terminal too. */
import type { LoadResult } from './generator/load.js';
import type { Outcome } from './goals.js';
import { PEERS } from './peers.js';
import type { PeerName } from './peers.js';
import { SERVER_CORE } from './processes.js';
import { counting, median, METRICS, ratios, tenths } from './ratios.js';
import { faults, otherFaults, saturation, sumOfFaults } from './runs.js';
import type { Run } from './runs.js';
import type { Metric, Scenario } from './scenarios.js';

export function scenarioTable(scenario: Scenario, runs: readonly Run[]): string {
  const ofScenario = runs.filter((run) => run.scenario === scenario.name);
  const isLatency = scenario.metrics.includes('p99');
  const columns: readonly Metric[] = isLatency
    ? ['deliveriesPerSecond', 'cpuMicrosPerDelivery']
    : ['deliveriesPerSecond', 'cpuMicrosPerDelivery', ...scenario.metrics.filter(isOfSessions)];
  const head = [
    'server',
    ...columns.map((metric) => METRICS[metric].head),
    'p50 / p99 / p99.9 ms',
    ...scenario.metrics.map((metric) => `relay, ${METRICS[metric].head}`),
    'lost / doubled / late',
    'other faults',
    'saturated',
  ];
  const rows = scenario.peers.flatMap((peer) => {
    const own = ofScenario.filter((run) => run.peer === peer).map((run) => run.result);
    if (own.length === 0) return [];
    return [
      [
        PEERS[peer].title,
        ...columns.map((metric) => figure(metric, own, isLatency)),
        quantiles(own),
        ...scenario.metrics.map((metric) => ratioText(metric, ofScenario, peer)),
        faults(own),
        otherFaults(own),
        saturationText(own),
      ],
    ];
  });
  return markdown(head, rows);
}

export function runLine({ peer, round, result }: Run, scenario: Scenario): string {
  const figures = scenario.metrics.map((metric) => {
    const { head, of, show } = METRICS[metric];
    return `${show(of(result))} ${head}`;
  });
  const server = `server ${result.serverCpuPercent} %, broker ${result.brokerCpuPercent} %`;
  const cores = `core ${SERVER_CORE} ${result.serverCorePercent} %, generator ${result.generatorBusyPercent} %`;
  const problem = result.firstProblem === '' ? '' : ` [${result.firstProblem}]`;
  const wrong = sumOfFaults(result) === 0 ? 'none' : `${faults([result])}, ${otherFaults([result])}`;
  return `  ${scenario.name} ${round + 1} ${peer.padEnd(15)} ${figures.join(', ')}; ${server}, ${cores}; faults: ${wrong}${problem}`;
}

export function goalTable(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ title, target, found, rounds, state }) => [title, target, found, `${rounds}`, state]);
  return markdown(['goal', 'target', 'median', 'rounds', 'state'], rows);
}

const isOfSessions = (metric: Metric): boolean => metric === 'connectsPerSecond' || metric === 'rssPerConnectionKib';

/** Prefixed with `≥` if the generator was the limit in most rounds. */
function figure(metric: Metric, results: readonly LoadResult[], isByRate: boolean): string {
  const { of, show } = METRICS[metric];
  const limited = results.filter((result) => saturation(result) === 'generator').length * 2 > results.length;
  const mark = metric === 'deliveriesPerSecond' && limited && !isByRate ? '≥ ' : '';
  return mark + show(median(results.map(of)));
}

function quantiles(results: readonly LoadResult[]): string {
  return (['p50', 'p99', 'p999'] as const).map((q) => tenths(median(results.map((r) => r.latencyMs[q])))).join(' / ');
}

function ratioText(metric: Metric, runs: readonly Run[], peer: PeerName): string {
  if (peer === 'relay') return '1';
  const value = median(ratios(metric, counting(metric, runs), 'relay', peer));
  if (Number.isNaN(value)) return '-';
  return `${value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : 0 })}x`;
}

/** For example `server 4, others 1`. */
function saturationText(results: readonly LoadResult[]): string {
  const each = results.map(saturation);
  return [...new Set(each)].map((limit) => `${limit} ${each.filter((other) => other === limit).length}`).join(', ');
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((text, i) => Math.max(text.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}
