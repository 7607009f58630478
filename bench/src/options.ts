/** The command line of the benchmark. */
import { parseArgs } from 'node:util';
import { PEER_NAMES, type PeerName } from './peers.js';
import { QUICK, type Scenario, SCENARIOS } from './scenarios.js';

export interface Options {
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly scenarios: readonly Scenario[];
  readonly faultSkip: number;
}

export const USAGE = `npm run bench -- [options]
  --quick             three short rounds of the relay, RabbitMQ Web STOMP and a bare ws loop (npm run bench:quick)
  --scenarios a,b     of ${SCENARIOS.map((scenario) => scenario.name).join(', ')}
  --peers a,b         of ${PEER_NAMES.join(', ')}
  --rounds N          default 5
  --seconds N         how long each run measures
  --fault-skip K      does not send every Kth message: must be reported as lost
  --self-test         shows that planted losses, duplicates and reorderings are found
  --list              the scenarios`;

export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      scenarios: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'fault-skip': { type: 'string', default: '0' },
    },
  });
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
  if (unknown !== undefined) throw new Error(`there is no ${unknown}: give some of ${all.join(', ')}`);
  return names;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) throw new Error(`--${name} must be a whole number from ${least}`);
  return value;
}
