/** The resources of relays without clients: at RabbitMQ, in their metrics, and in their processes. */
import { eventually } from '../support/deadline.js';
import type { RelayUnderTest } from './relay-under-test.js';
import type { Stage } from './stage.js';

/** Longer than `instanceQueueExpiresMs` of the stage. */
const DEADLINE_MS = 45_000;

/**
 * Scratch channels stay open. Each relay opens as many as it needs, on its connection for topics and on the one for
 * declarations of clients. It may need more after a fault than before.
 */
const SCRATCH_CHANNELS_MAX = 2 * 5;

/**
 * The connection on which a relay reads histories for returning clients stays open for a minute. Its timers are that one,
 * and two for heart-beats.
 */
const READERS = 1;
const READERS_TIMERS = 3;

/** The counts of all resources that belong to sessions, by name. */
export type Leftovers = Readonly<Record<string, number>>;

/** Reads the broker's own tables, because the management API shows ended objects for a while. */
const COUNTS = {
  connections: 'rabbit_networking:connections()',
  channels: 'rabbit_channel:list()',
  queues: 'rabbit_amqqueue:list(V)',
  consumers: 'rabbit_amqqueue:consumers_all(V)',
  bindings: 'rabbit_binding:list(V)',
};

export async function readLeftovers(stage: Stage): Promise<Leftovers> {
  const found = await readBroker(stage);
  for (const { relay } of stage.sites) Object.assign(found, await readRelay(relay));
  return found;
}

async function readBroker({ node, vhost }: Stage): Promise<Record<string, number>> {
  const lengths = Object.values(COUNTS).map((list) => `length(${list})`);
  // A tuple on the last line: a list of small numbers would print as text, and a warning may come before it
  const answer = await node.ctl('eval', `V = <<"${vhost.name}">>, {${lengths.join()}}.`);
  const numbers = /\{([\d,]+)\}\s*$/.exec(answer)?.[1]?.split(',').map(Number) ?? [];
  return Object.fromEntries(Object.keys(COUNTS).map((name, i) => [name, numbers[i] ?? NaN]));
}

async function readRelay(relay: RelayUnderTest): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const metric of ['sessions', 'broker_unconfirmed', 'broker_bindings_pending']) {
    found[`${relay.name}: ${metric}`] = await relay.metric(metric);
  }
  const { resources } = await relay.resourceUsage();
  for (const kind of ['Timeout', 'TCPSocketWrap', 'TCPServerWrap']) {
    found[`${relay.name}: ${kind}`] = resources[kind] ?? 0;
  }
  return found;
}

/** Waits until the counts do not exceed `baseline`. */
export async function expectNothingLeft(stage: Stage, baseline: Leftovers): Promise<void> {
  let found: Leftovers = {};
  const relays = stage.sites.length;
  const room = (name: string): number => {
    if (name === 'channels') return relays * SCRATCH_CHANNELS_MAX;
    if (name === 'connections') return relays * READERS;
    if (name.endsWith('TCPSocketWrap')) return READERS;
    return name.endsWith('Timeout') ? READERS_TIMERS : 0;
  };
  const most = (name: string): number => (baseline[name] ?? 0) + room(name);
  const isAsBefore = async () => {
    found = await readLeftovers(stage);
    return Object.keys(baseline).every((name) => (found[name] ?? 0) <= most(name)) ? true : undefined;
  };
  const difference = (): string => {
    const names = Object.keys(found).filter((name) => (found[name] ?? 0) > most(name));
    return `left behind: ${names.map((name) => `${name} ${found[name]}, was ${baseline[name] ?? 0}`).join('; ')}`;
  };
  await eventually(isAsBefore, DEADLINE_MS, difference);
}
