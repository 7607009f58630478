/** Histories and a node of RabbitMQ that is killed, restarted and frozen. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { Gap } from '../../server/src/brokers/history.js';
import { history as historyOptions } from '../../server/src/config/history-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import { bodies, Brokers, message, send, shared } from '../support/rabbitmq-brokers.js';
import { makeHistory, uniqueRule } from '../support/rabbitmq-histories.js';
import type { TestHistory } from '../support/rabbitmq-histories.js';
import { privateNode } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';

const RESTART_MS = 120_000;

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

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'the log continues after a restart (%s)',
  async (signal) => {
    const one = history(uniqueRule());
    await one.open();
    await publish('before');
    await one.sink.has('before');
    // A stream of 3.10.8 is lost if its node is killed in the second after its declaration, before the next restart
    if (signal === 'SIGKILL') await restart('SIGTERM');
    await restart(signal);
    await publish('after');
    await one.sink.has('after', RESTART_MS);
    expect(one.sink.events).toEqual(['before', 'after']);
  },
  400_000,
);

async function restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await node.kill(signal);
  await node.start();
}

test('SENDs of a relay wait until the stream is there again: all that were confirmed are in the history', async () => {
  const rule = { name: 'restarted', match: '/topic/prices.#', maxBytes: 8 * 1024 * 1024 };
  const brokers = new Brokers(node.amqpUrl);
  const broker = await brokers.start({ history: historyOptions.parse({ rules: [rule] }), publishTimeoutMs: 90_000 });
  const inbox = new Inbox<RoutedMessage>();
  const gaps: Gap[] = [];
  const destination = shared('/topic/prices.eur');
  const feed = broker.historyOf(destination)!;
  await feed.subscribe(destination, inbox.add, { ended: () => undefined, gap: (gap) => void gaps.push(gap) });
  await restart('SIGTERM');
  const sent: string[] = [];
  let isOver = false;
  const sending = (async () => {
    for (let n = 0; !isOver; n++) {
      await send(broker, '/topic/prices.eur', message(String(n)));
      sent.push(String(n));
    }
  })();
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) await restart(signal);
  isOver = true;
  await sending;
  await inbox.until((all) => all.some(({ body }) => body.toString() === sent.at(-1)), RESTART_MS, 'the last message');
  const seen = inbox.all.filter(({ resent }) => !resent).map(({ body }) => body.toString());
  expect([...new Set(bodies(inbox.all))]).toEqual(sent);
  expect(new Set(seen).size).toBe(seen.length);
  expect(gaps).toEqual([]);
  await brokers.closeAll();
}, 400_000);
