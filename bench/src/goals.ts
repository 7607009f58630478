/**
 * The performance goals, as ratios within one round: relay and RabbitMQ together on one core against the peer on the
 * same core. No message may be lost, duplicated or out of order.
 */
import type { PeerName } from './peers.js';
import { counting, differences, median, ratios } from './ratios.js';
import { sumOfFaults } from './runs.js';
import type { Run } from './runs.js';
import type { Metric } from './scenarios.js';

type OurPeer = 'relay' | 'relay-memory' | 'relay-frozen' | 'relay-history' | 'relay-other-rule' | 'relay-lanes';

export interface Goal {
  readonly title: string;
  readonly scenario: string;
  readonly metric: Metric;
  /** The relay variant that is measured. */
  readonly of: OurPeer;
  readonly against: PeerName;
  /** The ratio; above 1 the relay is better, for every metric. */
  readonly atLeast: number;
}

type Row = [title: string, scenario: string, metric: Metric, against: PeerName, atLeast: number, of?: Goal['of']];

const CPU: Metric = 'cpuMicrosPerDelivery';
const SPEED: Metric = 'deliveriesPerSecond';
const RSS: Metric = 'rssPerConnectionKib';

// prettier-ignore
const ROWS: readonly Row[] = [
  ['fan-out to 1,000: RabbitMQ Web STOMP',        'fan-out',       SPEED, 'web-stomp', 100],
  ['fan-out to 1,000: nats-server',               'fan-out',       SPEED, 'nats',      1.2],
  ['fan-out to 1,000: socket.io',                 'fan-out',       SPEED, 'socket.io', 10],
  ['fan-out to 100, lanes: RabbitMQ Web STOMP',   'fan-out-100',   SPEED, 'web-stomp', 69, 'relay-lanes'],
  ['fan-out to 5,000: RabbitMQ Web STOMP',        'sessions-5000', SPEED, 'web-stomp', 45],
  ['fan-out of 1 KiB: RabbitMQ Web STOMP',        'fan-out-1k',    SPEED, 'web-stomp', 85],
  ['fan-out to 5,000, ten frozen: without them',  'frozen',        SPEED, 'relay',     0.95, 'relay-frozen'],
  ['CPU per delivery, ten frozen: without them',  'frozen',        CPU,   'relay',     0.95, 'relay-frozen'],
  ['p99 at 200 a second: nats-server',            'rate-200',      'p99', 'nats',      1],
  ['p99 at 500 a second: nats-server',            'rate-500',      'p99', 'nats',      1],
  ['p50 at 10 a second: RabbitMQ Web STOMP',      'rate-10',       'p50', 'web-stomp', 10],
  // a minimal Node server stands for the kernel's share; a server in C is a little faster
  ['p50 at 10 a second: 1.3 times a bare net loop', 'rate-10',     'p50', 'net',       1 / 1.3],
  ['CPU per delivery, loaded: RabbitMQ Web STOMP', 'fan-out',      CPU,   'web-stomp', 100],
  // 10 a second: the only load with one message a tick that RabbitMQ sustains too
  ['CPU per delivery, one message a tick: RabbitMQ Web STOMP', 'rate-10', CPU, 'web-stomp', 6],
  ['memory per idle session: bare ws loop',       'sessions-5000', 'rssPerConnectionKib', 'ws',        1],
  ['sessions opened: RabbitMQ Web STOMP',         'sessions-5000', 'connectsPerSecond',   'web-stomp', 22],
  ['sessions opened: bare ws loop',               'sessions-5000', 'connectsPerSecond',   'ws',        1],
  ['500 pairs, lanes, 1 in flight: RabbitMQ Web STOMP', 'pairs-1', SPEED, 'web-stomp', 2.34, 'relay-lanes'],
  ['500 pairs, lanes, 4 in flight: RabbitMQ Web STOMP', 'pairs-4', SPEED, 'web-stomp', 4.62, 'relay-lanes'],
  ['1,000 topics, lanes: RabbitMQ Web STOMP',     'topics',        SPEED, 'web-stomp', 2.44, 'relay-lanes'],
  ['embedded broker, fan-out to 1,000: on RabbitMQ', 'fan-out',    SPEED, 'relay',     1, 'relay-memory'],
  ['embedded broker, pairs, 1 in flight: RabbitMQ Web STOMP', 'pairs-1', SPEED, 'web-stomp', 5, 'relay-memory'],
  ['embedded broker, pairs, 4 in flight: RabbitMQ Web STOMP', 'pairs-4', SPEED, 'web-stomp', 5, 'relay-memory'],
  ['fan-out of a recoverable topic: of another',  'recoverable',   SPEED, 'relay',     0.95, 'relay-history'],
  ['CPU per delivery, recoverable topic: another', 'recoverable',  CPU,   'relay',     0.95, 'relay-history'],
  ['fan-out beside a rule: without rules',        'recoverable',   SPEED, 'relay',     0.95, 'relay-other-rule'],
  ['CPU per delivery beside a rule: without rules', 'recoverable', CPU,   'relay',     0.95, 'relay-other-rule'],
  ['500 pairs beside a rule: without rules',      'pairs-1',       SPEED, 'relay',     0.95, 'relay-other-rule'],
  ['memory per idle session beside a rule: without rules', 'sessions-5000', RSS, 'relay', 0.95, 'relay-other-rule'],
  ["relay's CPU per message, 1,000 a second, recoverable: not", 'live-1000', 'serverMicrosPerDelivery', 'relay', 1 / 1.1, 'relay-history'],
];

export const GOALS: readonly Goal[] = ROWS.map(([title, scenario, metric, against, atLeast, of = 'relay']) => ({
  title,
  scenario,
  metric,
  against,
  atLeast,
  of,
}));

/** A figure that may be higher than that of another server of ours by a fixed amount. */
interface MarginGoal extends Omit<Goal, 'atLeast' | 'against'> {
  readonly against: OurPeer;
  readonly unit: string;
  readonly marginMax: number;
}

export const MARGIN_GOALS: readonly MarginGoal[] = [
  {
    title: 'p50 at 1,000 a second, recoverable topic: beyond that of another',
    scenario: 'live-1000',
    metric: 'p50',
    of: 'relay-history',
    against: 'relay',
    unit: 'ms',
    marginMax: 0.5,
  },
];

/** Machines are noisy: below this share of the goal, another run would miss it as well. */
const SURELY_BELOW = 0.7;

export type GoalState = 'met' | 'missed' | 'missed for certain' | 'not measured';

export interface Outcome {
  readonly title: string;
  readonly target: string;
  readonly found: string;
  readonly rounds: number;
  readonly state: GoalState;
}

/** The outcomes of all goals whose scenarios were run. */
export function outcomes(runs: readonly Run[]): Outcome[] {
  const measured = GOALS.filter((goal) => runs.some((run) => run.scenario === goal.scenario));
  const margins = MARGIN_GOALS.filter((goal) => runs.some((run) => run.scenario === goal.scenario));
  return [
    ...measured.map((goal) => outcome(goal, runs)),
    ...margins.map((goal) => marginOutcome(goal, runs)),
    ...faultless(runs),
  ];
}

export function stateOf(value: number, atLeast: number): GoalState {
  if (Number.isNaN(value)) return 'not measured';
  if (value >= atLeast) return 'met';
  return value < SURELY_BELOW * atLeast ? 'missed for certain' : 'missed';
}

function outcome(goal: Goal, runs: readonly Run[]): Outcome {
  const ofScenario = runs.filter((run) => run.scenario === goal.scenario);
  const each = ratios(goal.metric, counting(goal.metric, ofScenario), goal.of, goal.against);
  const value = median(each);
  const found = each.length === 0 ? '-' : `${short(value)}x`;
  const { title, atLeast } = goal;
  return { title, target: `${short(atLeast)}x`, found, rounds: each.length, state: stateOf(value, atLeast) };
}

function marginOutcome(goal: MarginGoal, runs: readonly Run[]): Outcome {
  const { title, scenario, metric, of, against, unit, marginMax } = goal;
  const ofScenario = runs.filter((run) => run.scenario === scenario);
  const each = differences(metric, ofScenario, against, of);
  const value = median(each);
  const target = `+${short(marginMax)} ${unit}`;
  if (Number.isNaN(value)) return { title, target, found: '-', rounds: 0, state: 'not measured' };
  const found = `${value < 0 ? '' : '+'}${short(value)} ${unit}`;
  const missed = value > marginMax / SURELY_BELOW ? 'missed for certain' : 'missed';
  return { title, target, found, rounds: each.length, state: value <= marginMax ? 'met' : missed };
}

/** Sums over all runs: a median would hide a single fault. */
function faultless(runs: readonly Run[]): Outcome[] {
  const ours = runs.filter((run) => run.peer.startsWith('relay'));
  const minute = ours.filter((run) => run.scenario === 'rate-600');
  const row = (title: string, of: readonly Run[]): Outcome => {
    const faults = of.reduce((sum, run) => sum + sumOfFaults(run.result), 0);
    const state = faults === 0 ? 'met' : 'missed for certain';
    return { title, target: '0', found: faults.toLocaleString('en-US'), rounds: of.length, state };
  };
  return [
    ...(minute.length > 0 ? [row('faults at 600 a second for a minute', minute)] : []),
    ...(ours.length > 0 ? [row('lost, doubled, late or damaged, cut connections: all runs of the relay', ours)] : []),
  ];
}

const short = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: value < 10 ? 2 : 0 });
