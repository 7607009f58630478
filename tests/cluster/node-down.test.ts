/** The home node of a classic queue is down: the queue is out of reach, and that passes. */
import { expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../support/deadline.js';
import { hasReceived, RESTART_MS, stageCluster } from './cluster-stage.js';

const stage = stageCluster();

/** Declares classic queues at a node, which becomes their home. */
async function declareAt(node: number, ...queues: string[]): Promise<void> {
  const connection = await amqp.connect(stage.vhost.amqpUrls[node]!);
  const channel = await connection.createChannel();
  for (const queue of queues) await channel.assertQueue(queue, { durable: true });
  await connection.close();
}

test('consumers stay, SENDs wait, and subscriptions of the SDK come back by themselves', async () => {
  await declareAt(1, 'jobs', 'more-jobs');
  const relay = await stage.relay([0], { publishTimeoutMs: RESTART_MS });
  const [consumer, sender, other] = [
    await stage.connect(relay),
    await stage.connect(relay),
    await stage.connect(relay),
  ];
  await consumer.receipt('SUBSCRIBE', { id: 's', destination: '/queue/jobs' });
  const send = (receipt: string, destination = '/queue/jobs'): void =>
    sender.sendFrame('SEND', { destination, receipt, persistent: 'true' }, receipt);
  send('before');
  await hasReceived(sender, { 'receipt-id': 'before' });
  // Some are in flight when the node dies
  for (let n = 0; n < 200; n++) send(`flight-${n}`);
  await stage.nodes[1].kill();
  for (let n = 0; n < 20; n++) send(`down-${n}`);
  other.sendFrame('SEND', { destination: '/amq/queue/more-jobs', receipt: 'amq', persistent: 'true' }, 'amq');
  const sdk = stage.sdk(relay);
  const seen: unknown[] = [];
  const subscription = sdk.subscribe('/amq/queue/more-jobs', ({ data }) => seen.push(data));
  // Other queues are not affected
  await (await stage.connect(relay)).receipt('SEND', { destination: '/queue/elsewhere' });
  await stage.nodes[1].start();
  await hasReceived(sender, { 'receipt-id': 'down-19' });
  await hasReceived(other, { 'receipt-id': 'amq' });
  const bodies = (): string[] => consumer.received().map(({ body }) => body.toString());
  await eventually(
    () => (new Set(bodies()).size >= 221 ? true : undefined),
    RESTART_MS,
    () => `only ${new Set(bodies()).size} messages arrived`,
  );
  await subscription.ready;
  await eventually(
    () => (seen.includes('amq') ? true : undefined),
    RESTART_MS,
    () => 'the subscription of the SDK gets nothing',
  );
  expect([consumer, sender, other].map(({ isClosed }) => isClosed)).toEqual([false, false, false]);
  expect(sender.received().map(({ command }) => command)).toEqual(Array(221).fill('RECEIPT'));
}, 400_000);

test('a SEND to a queue whose node is down is broker-unavailable at its deadline, and to a missing queue queue-not-found', async () => {
  await declareAt(2, 'away');
  const relay = await stage.relay([0, 1], { publishTimeoutMs: 3_000 });
  await stage.nodes[2].kill();
  try {
    for (const destination of ['/queue/away', '/amq/queue/away']) {
      const client = await stage.connect(relay);
      client.sendFrame('SEND', { destination, receipt: 'r' }, 'x');
      await client.expectError({ code: 'broker-unavailable', 'receipt-id': 'r' });
    }
    const subscriber = await stage.connect(relay, { 'relay-extensions': 'soft-errors' });
    subscriber.sendFrame('SUBSCRIBE', { id: 's', destination: '/amq/queue/away', receipt: 's' });
    await hasReceived(subscriber, { code: 'broker-unavailable', 'receipt-id': 's' });
    subscriber.sendFrame('SUBSCRIBE', { id: 'm', destination: '/amq/queue/missing', receipt: 'm' });
    await hasReceived(subscriber, { code: 'queue-not-found', 'receipt-id': 'm' });
    subscriber.sendFrame('SEND', { destination: '/amq/queue/missing', receipt: 'n' }, 'x');
    await hasReceived(subscriber, { code: 'queue-not-found', 'receipt-id': 'n' });
  } finally {
    await stage.nodes[2].start();
  }
}, 400_000);
