/**
 * Does a single node lose confirmed entries of a stream when its process is killed right after the confirms?
 * `STREAM_KILLS=40 npx jest --config jest.cluster.config.js stream-kills` plays it more often, and prints the counts.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { ChannelModel, ConfirmChannel, ConsumeMessage } from 'amqplib';
import { eventually } from '../support/deadline.js';
import { findServer, startPrivateNode } from '../support/rabbitmq-node.js';
import type { PrivateNode } from '../support/rabbitmq-node.js';

const KILLS = Number(process.env['STREAM_KILLS'] ?? 5);
const STREAM = 'killed';
const RESTART_MS = 120_000;
/** Messages that wait for their confirm. */
const WINDOW = 500;

let node: PrivateNode;
beforeAll(async () => {
  const run = `relay-test-${randomBytes(4).toString('hex')}`;
  node = await startPrivateNode(findServer()!, run, () => undefined);
}, 200_000);
afterAll(() => node.stop(), 60_000);

interface Counts {
  published: number;
  confirmed: number;
  /** Confirmed, and not in the stream after the kill. */
  lost: number;
  /** Offsets that were delivered before a kill, and have another message after it. */
  reassigned: number;
  /** Entries that were delivered before a kill, without a confirm that had reached the publisher, and are gone. */
  withdrawn: number;
}

async function open(): Promise<{ readonly channel: ConfirmChannel; readonly close: () => Promise<void> }> {
  const connection = await amqp.connect(node.amqpUrl);
  connection.on('error', () => undefined);
  const channel = await eventually(
    () => declareOn(connection).catch(() => undefined),
    RESTART_MS,
    () => 'the stream cannot be declared',
  );
  await channel.prefetch(1_000);
  const close = async (): Promise<void> => connection.close().catch(() => undefined);
  return { channel, close };
}

/** After a start, RabbitMQ refuses the declaration for a moment, as if the node were down. */
async function declareOn(connection: ChannelModel): Promise<ConfirmChannel> {
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  await channel.assertQueue(STREAM, { durable: true, arguments: { 'x-queue-type': 'stream' } });
  return channel;
}

function consume(channel: ConfirmChannel, offset: string | number, seen: (offset: number, body: string) => void) {
  const onMessage = (message: ConsumeMessage | null): void => {
    if (!message) return;
    seen(message.properties.headers?.['x-stream-offset'] as number, message.content.toString());
    channel.ack(message);
  };
  return channel.consume(STREAM, onMessage, { arguments: { 'x-stream-offset': offset } });
}

/** Publishes until `enough` messages are confirmed, and kills the node in the turn of that confirm. */
async function publishAndKill(round: number, enough: number, confirmed: Set<string>, seen: Map<number, string>) {
  const { channel } = await open();
  await consume(channel, 'next', (offset, body) => seen.set(offset, body));
  const waiting = new Map<number, string>();
  let tag = 0;
  let confirms = 0;
  await new Promise<void>((resolve) => {
    let killing: Promise<void> | undefined;
    const publish = (): void => {
      while (!killing && waiting.size < WINDOW) {
        const body = `${round}.${++tag}.`.padEnd(20 + ((tag * 37) % 400), 'x');
        waiting.set(tag, body);
        channel.publish('', STREAM, Buffer.from(body), { persistent: true });
      }
    };
    channel.on('ack', ({ deliveryTag, multiple }) => {
      for (const [each, body] of waiting) {
        if (each > deliveryTag || (!multiple && each !== deliveryTag)) continue;
        waiting.delete(each);
        confirmed.add(body);
        confirms++;
      }
      if (confirms >= enough && !killing) {
        killing = node.kill();
        void killing.then(resolve);
      }
      publish();
    });
    publish();
  });
  return tag;
}

async function readAll(sentinel: string): Promise<Map<number, string>> {
  const { channel, close } = await open();
  const entries = new Map<number, string>();
  channel.sendToQueue(STREAM, Buffer.from(sentinel), { persistent: true });
  await channel.waitForConfirms();
  let isComplete = false;
  await consume(channel, 'first', (offset, body) => {
    entries.set(offset, body);
    isComplete ||= body === sentinel;
  });
  await eventually(
    () => (isComplete ? true : undefined),
    RESTART_MS,
    () => `only ${entries.size} entries were read`,
  );
  await close();
  return entries;
}

test(`${KILLS} kills lose no confirmed entry and assign no offset again`, async () => {
  const confirmed = new Set<string>();
  const seen = new Map<number, string>();
  await (await open()).close();
  // A stream that is killed in the second after its declaration is "down" for good, and cannot be deleted (3.10.8)
  await node.kill('SIGTERM');
  await node.start();
  const counts: Counts = { published: 0, confirmed: 0, lost: 0, reassigned: 0, withdrawn: 0 };
  for (let round = 0; round < KILLS; round++) {
    // From one confirm, over single batches, to about a second of them
    counts.published += await publishAndKill(round, 3 ** (round % 9), confirmed, seen);
    await node.start();
    const entries = await readAll(`end-${round}`);
    const bodies = new Set(entries.values());
    for (const body of confirmed) {
      if (bodies.has(body)) continue;
      counts.lost++;
      confirmed.delete(body);
    }
    for (const [offset, body] of seen) {
      const now = entries.get(offset);
      if (now === body) continue;
      if (now === undefined) counts.withdrawn++;
      else counts.reassigned++;
    }
    seen.clear();
    const sum = { ...counts, confirmed: counts.lost + confirmed.size };
    process.stderr.write(`stream-kills: RabbitMQ ${node.version}, ${round + 1} kills: ${JSON.stringify(sum)}\n`);
    for (const [offset, body] of entries) seen.set(offset, body);
  }
  counts.confirmed = counts.lost + confirmed.size;
  expect(counts.confirmed).toBeGreaterThanOrEqual(KILLS);
  expect(counts).toMatchObject({ lost: 0, reassigned: 0 });
}, 3_600_000);
