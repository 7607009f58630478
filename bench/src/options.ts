/** The command line of the benchmark. */
import { parseArgs } from 'node:util';
import { PEER_NAMES } from './peers.js';
import type { PeerName } from './peers.js';
import { QUICK, SCENARIOS } from './scenarios.js';
import type { Scenario } from './scenarios.js';

export interface Options {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly scenarios: readonly Scenario[];
  readonly faultSkip: number;
  /** Adds to the existing results. */
  readonly append: boolean;
  /** Runs nothing and shows the existing results. */
  readonly isReport: boolean;
  readonly intoDocs: boolean;
}

export const USAGE = `npm run bench -- [options]
  --quick             three short rounds of fan-out (npm run bench:quick)
  --scenarios a,b     scenarios to run, of ${SCENARIOS.map((scenario) => scenario.name).join(', ')}
  --peers a,b         servers to compare, of ${PEER_NAMES.join(', ')}
  --rounds N          rounds per scenario, default 5
  --seconds N         measured time of each run
  --append            adds further rounds to those in results/latest.json, instead of replacing them
  --report            runs nothing, writes tables and chart from results/latest.json
  --docs              also writes docs/benchmark.md and docs/benchmark.svg
  --fault-skip K      does not send every Kth message, which must be reported as lost
  --self-test         shows that planted losses, duplicates and reorderings are found
  --list              lists the scenarios`;

export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      scenarios: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      append: { type: 'boolean', default: false },
      report: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
      'fault-skip': { type: 'string', default: '0' },
    },
  });
  if (values.quick && values.docs)
    throw new Error('--docs cannot be combined with --quick: it needs the whole benchmark');
  const known = values.quick ? QUICK : SCENARIOS;
  const scenarioNames = chosen(
    values.scenarios,
    known.map((scenario) => scenario.name),
  );
  const peers = chosen(values.peers, PEER_NAMES) as readonly PeerName[];
  const seconds = values.seconds === undefined ? undefined : whole('seconds', values.seconds, 1);
  return {
    isQuick: values.quick,
    rounds: whole('rounds', values.rounds ?? (values.quick ? '3' : '5'), 1),
    append: values.append || values.report,
    isReport: values.report,
    intoDocs: values.docs,
    faultSkip: whole('fault-skip', values['fault-skip'], 0),
    scenarios: known
      .filter((scenario) => scenarioNames.includes(scenario.name))
      .map((scenario) => ({
        ...scenario,
        peers: scenario.peers.filter((peer) => peers.includes(peer)),
        load: { ...scenario.load, ...(seconds !== undefined && scenario.load.publishers > 0 ? { seconds } : {}) },
      })),
  };
}

function chosen(list: string | undefined, all: readonly string[]): readonly string[] {
  if (list === undefined) return all;
  const names = list.split(',');
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) throw new Error(`there is no ${unknown}; choose from ${all.join(', ')}`);
  return names;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number from ${least}`);
  return value;
}
