/** The results as tables in Markdown and as charts. */
import { markdown } from '../markdown.js';
import { number } from '../ratios.js';
import type { BehindResult } from './behind.js';
import type { CentrifugoReturns } from './centrifugo-returns.js';
import type { ChurnResult } from './churn.js';
import { lineChart } from './line-chart.js';
import type { Panel, Series } from './line-chart.js';
import type { ProfileResult } from './profile.js';
import { behindTable, centrifugoReturnsTable, returnsTable, warmStartTable } from './recovery-tables.js';
import type { RelaysStep } from './relays.js';
import type { RestoreResult } from './restore.js';
import type { ReturnsResult } from './returns.js';
import type { Step } from './scaling.js';
import { shareChart } from './share-chart.js';
import type { WarmStartResult } from './warm-start.js';

export interface GrowthResults {
  /** Date, machine and versions of the measurement. */
  readonly about: string;
  readonly sessions?: readonly Step[];
  readonly topics?: readonly Step[];
  readonly relays?: readonly RelaysStep[];
  readonly churn?: readonly ChurnResult[];
  readonly restore?: readonly RestoreResult[];
  readonly profile?: readonly ProfileResult[];
  readonly returns?: ReturnsResult;
  /** Empty without its programs. */
  readonly centrifugoReturns?: readonly CentrifugoReturns[];
  readonly behind?: BehindResult;
  readonly warmStart?: WarmStartResult;
}

const SERVER_TITLES = { relay: 'stomp-relay', 'web-stomp': 'RabbitMQ Web STOMP' };
const BROKER_TITLES = { rabbitmq: 'on RabbitMQ', memory: 'embedded broker' };

export function growthTables(results: GrowthResults): string {
  const { about, sessions, topics, relays, churn, restore, profile, returns, behind, warmStart } = results;
  const { centrifugoReturns = [] } = results;
  const parts = [
    ...(sessions ? [`## More sessions, ten topics\n\n${stepTable(sessions)}`] : []),
    ...(topics ? [`## More topics\n\n${stepTable(topics)}`] : []),
    ...(relays ? [`## More relays\n\n${relaysTable(relays)}`] : []),
    ...(churn ? [`## Churn\n\n${churnTable(churn)}`] : []),
    ...(restore ? [`## Restoring\n\n${restoreTable(restore)}`] : []),
    ...(profile ? [`## The relay's CPU time\n\n${profileTable(profile)}`] : []),
    ...(returns ? [`## A relay dies, and its clients return\n\n${returnsTable(returns)}`] : []),
    ...(centrifugoReturns.length > 0
      ? [`## Clients of Centrifugo return\n\n${centrifugoReturnsTable(centrifugoReturns)}`]
      : []),
    ...(behind ? [`## Clients far behind\n\n${behindTable(behind)}`] : []),
    ...(warmStart ? [`## The start of a relay with recent messages\n\n${warmStartTable(warmStart)}`] : []),
  ];
  return ['# How cost grows', about, ...parts].join('\n\n');
}

/** The charts by file name. */
export function growthCharts({ sessions, topics, profile }: GrowthResults): Map<string, string> {
  const charts = new Map<string, string>();
  if (sessions) {
    const title = 'RabbitMQ resources by sessions';
    const subtitle = 'Idle sessions, a subscription each, on ten topics';
    charts.set('rabbitmq-by-sessions.svg', lineChart(title, subtitle, 'sessions', brokerPanels(sessions, 'sessions')));
  }
  if (topics) {
    const title = 'RabbitMQ resources by topics';
    const subtitle = '500 sessions with 100 subscriptions each on the relay, with 2 each on Web STOMP';
    charts.set('rabbitmq-by-topics.svg', lineChart(title, subtitle, 'topics', brokerPanels(topics, 'topics')));
  }
  if (sessions && topics) {
    const panel = (title: string, steps: readonly Step[], axis: Axis): Panel => ({
      title,
      series: seriesOf(steps, axis, (step) => step.relayMib).filter(({ isOurs }) => isOurs),
    });
    const panels = [
      panel('MiB, by sessions with one subscription', sessions, 'sessions'),
      panel('MiB, by topics under 50,000 subscriptions', topics, 'topics'),
    ];
    const title = "The relay's memory";
    charts.set('relay-memory.svg', lineChart(title, 'Resident, idle', 'sessions or topics', panels));
  }
  if (profile) {
    const bars = profile.map(({ broker, groups }) => ({ title: BROKER_TITLES[broker], parts: groups }));
    const subtitle = '1,000 subscribers, 128 B, 32 messages in flight; shares of its busy time';
    charts.set('relay-profile.svg', shareChart("The relay's CPU time", subtitle, bars));
  }
  return charts;
}

type Axis = 'sessions' | 'topics';

function brokerPanels(steps: readonly Step[], axis: Axis): Panel[] {
  return [
    { title: 'queues', series: seriesOf(steps, axis, (step) => step.queues) },
    { title: 'bindings', series: seriesOf(steps, axis, (step) => step.bindings) },
    { title: 'connections', series: seriesOf(steps, axis, (step) => step.connections) },
    { title: 'memory, MiB', series: seriesOf(steps, axis, (step) => step.memoryMib) },
  ];
}

function seriesOf(steps: readonly Step[], axis: Axis, of: (step: Step) => number): Series[] {
  return (['relay', 'web-stomp'] as const).map((server) => ({
    title: SERVER_TITLES[server],
    isOurs: server === 'relay',
    points: steps.filter((step) => step.server === server && step[axis] > 0).map((step) => [step[axis], of(step)]),
  }));
}

function stepTable(steps: readonly Step[]): string {
  const head = ['server', 'sessions', 'topics', 'subscriptions', 'queues', 'bindings', 'connections', 'channels'];
  const costs = ['RabbitMQ MiB', 'RabbitMQ CPU %', 'relay MiB', 'relay CPU %', 'set up in s'];
  const rows = steps.map((step) => [
    SERVER_TITLES[step.server],
    ...[step.sessions, step.topics, step.subscriptions].map((value) => number(value, 0)),
    ...[step.queues, step.bindings, step.connections, step.channels].map((value) => number(value, 0)),
    number(step.memoryMib, 1),
    number(step.rabbitCpuPercent, 1),
    step.server === 'relay' ? number(step.relayMib, 1) : '-',
    step.server === 'relay' ? number(step.relayCpuPercent, 1) : '-',
    number(step.setUpSeconds, 1),
  ]);
  return markdown([...head, ...costs], rows);
}

function relaysTable(steps: readonly RelaysStep[]): string {
  const head = ['relays', 'in flight', 'messages/s', 'RabbitMQ µs/message', 'publishing relay µs/message', 'lost'];
  const rows = steps.map((step) =>
    [
      step.relays,
      step.window,
      step.messagesPerSecond,
      step.rabbitMicrosPerMessage,
      step.relayMicrosPerMessage,
      step.lost,
    ].map((value) => number(value, 0)),
  );
  return markdown(head, rows);
}

function churnTable(results: readonly ChurnResult[]): string {
  const head = [
    'churn',
    'delivered',
    'lost',
    'doubled',
    'out of order',
    'p50 / p99 ms',
    'relay CPU %',
    'RabbitMQ CPU %',
  ];
  const more = ['SUBSCRIBEs', 'receipt p50 / p99 / max ms', 'bindings pending, most', 'left'];
  const rows = results.map(({ kind, load, subscribes, receiptMs, ...pending }) => [
    kind.name,
    ...[load.unique, load.lost, load.duplicates, load.outOfOrder].map((value) => number(value, 0)),
    `${number(load.latencyMs.p50, 1)} / ${number(load.latencyMs.p99, 1)}`,
    number(load.serverCpuPercent, 1),
    number(load.brokerCpuPercent, 1),
    number(subscribes, 0),
    subscribes === 0 ? '-' : `${number(receiptMs.p50, 1)} / ${number(receiptMs.p99, 1)} / ${number(receiptMs.max, 0)}`,
    number(pending.pendingBindingsMax, 0),
    number(pending.pendingBindingsLeft, 0),
  ]);
  return markdown([...head, ...more], rows);
}

function restoreTable(results: readonly RestoreResult[]): string {
  const head = ['after', 'topics', 'away s', 'bound again in s', 'binds/s', 'next message in ms', 'sessions lost'];
  const rows = results.map((result) => [
    result.how,
    number(result.topics, 0),
    number(result.awaySeconds, 1),
    number(result.bindSeconds, 1),
    number(result.bindsPerSecond, 0),
    number(result.probeMs, 1),
    number(result.sessionsLost, 0),
  ]);
  return markdown(head, rows);
}

function profileTable(results: readonly ProfileResult[]): string {
  const titles = [...new Set(results.flatMap(({ groups }) => groups.map(({ title }) => title)))];
  const share = (value: number | undefined): string => (value === undefined ? '-' : `${number(value, 1)} %`);
  const rows = [
    ...titles.map((title) => [
      title,
      ...results.map(({ groups }) => share(groups.find((group) => group.title === title)?.percent)),
    ]),
    ['in the kernel, of all CPU time', ...results.map(({ kernelPercent }) => share(kernelPercent))],
    ['deliveries a second', ...results.map(({ load }) => number(load.deliveriesPerSecond, 0))],
    ['relay CPU', ...results.map(({ load }) => share(load.serverCpuPercent))],
  ];
  const tops = results.map(
    ({ broker, top }) =>
      `${BROKER_TITLES[broker]}: ${top.map(({ name, percent }) => `\`${name}\` ${number(percent, 1)} %`).join(', ')}`,
  );
  const head = ['time of the relay', ...results.map(({ broker }) => BROKER_TITLES[broker])];
  return [markdown(head, rows), ...tops].join('\n\n');
}
