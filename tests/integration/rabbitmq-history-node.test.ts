/** Histories and a node of RabbitMQ that is killed, restarted and frozen. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../support/deadline.js';
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

/** Publishes until RabbitMQ has confirmed it. */
async function publish(body: string): Promise<void> {
  await eventually(
    () => tryToPublish(body).catch(() => undefined),
    RESTART_MS,
    () => `${body} was not confirmed`,
  );
}

async function tryToPublish(body: string): Promise<true> {
  const connection = await amqp.connect(node.amqpUrl);
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  channel.publish('amq.topic', 'prices.eur', Buffer.from(body), { persistent: true });
  await channel.waitForConfirms();
  await connection.close();
  return true;
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
