/** The results about returning clients as tables in Markdown, with the goals. */
import { markdown } from '../markdown.js';
import { number } from '../ratios.js';
import type { BehindResult } from './behind.js';
import type { CentrifugoReturns } from './centrifugo-returns.js';
import type { ReturnsResult } from './returns.js';
import type { WarmStartResult } from './warm-start.js';

type Row = readonly [figure: string, value: string, goal: string, isMet?: boolean];

/** Goals of docs/performance.md. The start is on RabbitMQ 3.10, which reads small chunks one by one. */
const ANSWERED_SECONDS = 15;
const LAG_MS = 100;
const RETURN_MICROS = 3;
const BEHIND_SECONDS = 2;
const READY_SECONDS = 30;
const WARM_MICROS = 15;
/** Of the gap; markers are entries, too. */
const TIMES_READ = 1.05;

const CENTRIFUGO_HEADS = {
  centrifugo: 'memory engine; clients were cut, as a restart would lose its messages',
  'centrifugo-redis': 'on Redis; the server was killed and started again',
};

export function returnsTable(result: ReturnsResult): string {
  const { clients, missed, recovered, answeredSeconds, deliveredSeconds, wrong } = result;
  return table([
    ['clients that return', whole(clients), ''],
    ['messages that each has missed', whole(missed), ''],
    ['recovered', whole(recovered), 'all', recovered === clients],
    ['lost, duplicate or out of order', whole(wrong), '0', wrong === 0],
    atMost('all answered after the first answer, s', answeredSeconds, ANSWERED_SECONDS, 1),
    ['all messages delivered, s', number(deliveredSeconds, 1), ''],
    atMost("p99 of the event loop's lag, ms", result.lagP99Ms, LAG_MS, 0),
    atMost('relay, µs of CPU per message', result.relayMicrosPerMessage, RETURN_MICROS, 2),
    ['relay, s of CPU for all sessions and messages', number(result.relayCpuSeconds, 1), ''],
    ['relay, µs of CPU per session without recovery', whole(result.relayMicrosPerSession), ''],
  ]);
}

/** Without goals: the figures to which those of the relay compare. */
export function centrifugoReturnsTable(results: readonly CentrifugoReturns[]): string {
  const row = (figure: string, of: (result: CentrifugoReturns) => number, digits = 0): string[] => [
    figure,
    ...results.map((result) => number(of(result), digits)),
  ];
  const head = ['figure', ...results.map(({ engine }) => CENTRIFUGO_HEADS[engine])];
  return markdown(head, [
    row('clients that return', (result) => result.clients),
    row('messages that each has missed', (result) => result.missed),
    row('recovered', (result) => result.recovered),
    row('lost, duplicate or out of order', (result) => result.wrong),
    row('all answered after the first answer, s', (result) => result.answeredSeconds, 1),
    row('all messages delivered, s', (result) => result.deliveredSeconds, 1),
    row('server, µs of CPU per message', (result) => result.serverMicrosPerMessage, 2),
    row('server, s of CPU for all sessions and messages', (result) => result.serverCpuSeconds, 1),
    row('server, µs of CPU per session without recovery', (result) => result.serverMicrosPerSession),
    row('Redis, s of CPU', (result) => result.redisCpuSeconds, 1),
  ]);
}

export function behindTable(result: BehindResult): string {
  const { clients, missed, recovered, readers, wrong } = result;
  return table([
    ['clients', whole(clients), ''],
    ['messages that each has missed', whole(missed), ''],
    ['recovered', whole(recovered), 'all', recovered === clients],
    ['lost, duplicate or out of order', whole(wrong), '0', wrong === 0],
    atMost('all messages delivered, s', result.seconds, BEHIND_SECONDS, 2),
    atMost('readers', readers, 1, 0),
    atMost('entries read / missed messages', result.timesRead, TIMES_READ, 2),
    ['relay, s of CPU', number(result.relayCpuSeconds, 2), ''],
    ['RabbitMQ, s of CPU', number(result.rabbitCpuSeconds, 2), ''],
  ]);
}

export function warmStartTable(result: WarmStartResult): string {
  return table([
    ['messages', whole(result.messages), ''],
    atMost('ready, s', result.readySeconds, READY_SECONDS, 1),
    ['ready without messages, s', number(result.emptyReadySeconds, 1), ''],
    atMost('relay, µs of CPU per message', result.relayMicrosPerMessage, WARM_MICROS, 1),
    ['RabbitMQ, µs of CPU per message', number(result.rabbitMicrosPerMessage, 1), ''],
    ['ring, bytes per message', whole(result.ringBytesPerMessage), ''],
    ['resident memory of the relay, bytes per message', whole(result.relayBytesPerMessage), ''],
    ["RabbitMQ's disk, bytes per message", whole(result.diskBytesPerMessage), ''],
  ]);
}

const whole = (value: number): string => number(value, 0);

function atMost(figure: string, value: number, most: number, digits: number): Row {
  return [figure, number(value, digits), `≤ ${most}`, value <= most];
}

function table(rows: readonly Row[]): string {
  const state = (isMet: boolean | undefined): string => (isMet === undefined ? '' : isMet ? 'met' : 'missed');
  return markdown(
    ['figure', 'value', 'goal', 'state'],
    rows.map(([figure, value, goal, isMet]) => [figure, value, goal, state(isMet)]),
  );
}
