/** Histories and a node of RabbitMQ that is killed, restarted and frozen. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { BrokerError, RoutedMessage } from '../../server/src/brokers/broker.js';
import type { Gap, HistoryRule } from '../../server/src/brokers/history.js';
import { history as historyOptions } from '../../server/src/config/history-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import { bodies, Brokers, message, send, shared } from '../support/rabbitmq-brokers.js';
import { makeHistory, uniqueRule } from '../support/rabbitmq-histories.js';
import type { TestHistory } from '../support/rabbitmq-histories.js';
import { privateNode } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';

const RESTART_MS = 120_000;
/** Streams that are not lost are back in a second. */
const BACK_MS = 15_000;
const SETTLE_TRIES = 4;

let node: RabbitNode;
const open: TestHistory[] = [];

beforeAll(async () => {
  node = await privateNode();
}, 200_000);
afterEach(() => Promise.all(open.splice(0).map((history) => history.close())), 60_000);
afterAll(() => node.stop(), 60_000);

function history(...args: Parameters<typeof makeHistory> extends [string, ...infer R] ? R : never): TestHistory {
  const made = makeHistory(node.amqpUrl, ...args);
  open.push(made);
  return made;
}

/**
 * Publishes until the stream has it. While RabbitMQ starts, it confirms messages before it knows the stream again, and
 * drops them, unless they are mandatory.
 */
async function publish(body: string): Promise<void> {
  await eventually(
    () => tryToPublish(body).catch(() => undefined),
    RESTART_MS,
    () => `${body} was not confirmed`,
  );
}

async function tryToPublish(body: string): Promise<true | undefined> {
  const connection = await amqp.connect(node.amqpUrl);
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  let isReturned = false;
  channel.on('return', () => (isReturned = true));
  channel.publish('amq.topic', 'prices.eur', Buffer.from(body), { persistent: true, mandatory: true });
  await channel.waitForConfirms();
  await connection.close();
  return isReturned ? undefined : true;
}

/** RabbitMQ 3.10 can lose a stream whose node stops within a second of its declaration. One that outlives a stop stays. */
async function settledRule(): Promise<HistoryRule> {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) {
    const rule = uniqueRule();
    const one = makeHistory(node.amqpUrl, rule);
    await one.open();
    await one.close();
    await restart('SIGTERM');
    if (await isBack(`stomp-relay.history.${rule.name}`)) return rule;
  }
  throw new Error(`RabbitMQ lost ${SETTLE_TRIES} streams when it was stopped`);
}

/** Whether RabbitMQ finds the stream again. It accepts connections some time before that. */
async function isBack(stream: string): Promise<boolean> {
  const connection = await amqp.connect(node.amqpUrl);
  connection.on('error', () => undefined);
  const check = async (): Promise<true | undefined> => {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    return channel.checkQueue(stream).then(
      () => true,
      () => undefined,
    );
  };
  const isFound = await eventually(check, BACK_MS, () => 'the stream is out of reach').catch(() => false);
  await connection.close();
  return isFound;
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'the log continues after a restart (%s)',
  (signal) => unlessLost(() => continuesAfter(signal)),
  800_000,
);

type Outcome = 'kept' | 'lost';

/** Plays a scenario again if RabbitMQ 3.10 has lost the stream. */
async function unlessLost(play: () => Promise<Outcome>): Promise<void> {
  for (let tries = 0; tries < SETTLE_TRIES; tries++) if ((await play()) === 'kept') return;
  throw new Error(`RabbitMQ lost ${SETTLE_TRIES} streams when it was killed`);
}

async function continuesAfter(signal: 'SIGTERM' | 'SIGKILL'): Promise<Outcome> {
  const rule = await settledRule();
  const one = history(rule);
  await one.open();
  await publish('before');
  await one.sink.has('before');
  await restart(signal);
  if (!(await isBack(`stomp-relay.history.${rule.name}`))) return 'lost';
  await publish('after');
  await one.sink.has('after', RESTART_MS);
  expect(one.sink.events).toEqual(['before', 'after']);
  return 'kept';
}

async function restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await node.kill(signal);
  await node.start();
}

test(
  'SENDs of a relay wait until the stream is there again: all that were confirmed are in the history',
  () => unlessLost(sendThroughRestarts),
  800_000,
);

/** `lost`: RabbitMQ 3.10 has lost the stream, and the relay has refused the SEND that it could not keep. */
async function sendThroughRestarts(): Promise<Outcome> {
  const { name, match } = await settledRule();
  const rule = { name, match, maxBytes: 8 * 1024 * 1024 };
  const brokers = new Brokers(node.amqpUrl);
  const broker = await brokers.start({ history: historyOptions.parse({ rules: [rule] }), publishTimeoutMs: 60_000 });
  const inbox = new Inbox<RoutedMessage>();
  const gaps: Gap[] = [];
  const destination = shared('/topic/prices.eur');
  const feed = broker.historyOf(destination)!;
  await feed.subscribe(destination, inbox.add, { ended: () => undefined, gap: (gap) => void gaps.push(gap) });
  const sent: string[] = [];
  let isOver = false;
  const sending = (async () => {
    for (let n = 0; !isOver; n++) {
      await send(broker, '/topic/prices.eur', message(String(n)));
      sent.push(String(n));
    }
  })();
  const refused = sending.then(
    () => undefined,
    (error: BrokerError) => error,
  );
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) await restart(signal);
  isOver = true;
  const refusal = await refused;
  if (refusal) {
    expect(refusal).toMatchObject({ code: 'broker-unavailable', message: expect.stringContaining('does not keep') });
    expect(await isBack(`stomp-relay.history.${name}`)).toBe(false);
    await brokers.closeAll();
    return 'lost';
  }
  await inbox.until((all) => all.some(({ body }) => body.toString() === sent.at(-1)), RESTART_MS, 'the last message');
  const seen = inbox.all.filter(({ resent }) => !resent).map(({ body }) => body.toString());
  expect([...new Set(bodies(inbox.all))]).toEqual(sent);
  expect(new Set(seen).size).toBe(seen.length);
  expect(gaps).toEqual([]);
  await brokers.closeAll();
  return 'kept';
}
