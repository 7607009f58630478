/**
 * Messages of back ends that are larger than any SEND. The relay drops messages above `session.messageMaxBytes`;
 * messages below it end no session whose client reads.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { connect as connectAmqp } from 'amqplib';
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import { MemoryBroker } from '../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../server/src/config.js';
import { publishTo } from '../../server/src/contract/publish-to.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { createBroker, startRelay } from '../support/relay.js';
import type { TestBroker, TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { ReceivedFrame, StompClient } from '../support/stomp-client.js';
import { metric, streamUrl, TestStream } from './http/http-client.js';
import { EVERYWHERE } from './stomp/relay-stage.js';

const LARGE_BYTES = 8_000_000;
const TOO_LARGE_BYTES = 9_000_000;
/** Number of large messages in a row. */
const COUNT = 4;
/** More than the relay and the kernel buffer for a client that does not read. */
const MESSAGES_MAX = 40;

interface BackEnd {
  publish(destination: string, body: Buffer, headers?: Record<string, string>): Promise<void>;
  close(): Promise<void>;
}

/** A service that publishes directly to the broker. */
async function amqpBackEnd(url: string): Promise<BackEnd> {
  const model: ChannelModel = await connectAmqp(url);
  const channel: ConfirmChannel = await model.createConfirmChannel();
  return {
    async publish(destination, body, headers = {}) {
      const [, kind, name = ''] = destination.split('/');
      channel.publish(kind === 'topic' ? 'amq.topic' : '', name, body, { headers });
      await channel.waitForConfirms();
    },
    close: () => model.close(),
  };
}

function memoryBackEnd(broker: MemoryBroker): BackEnd {
  return {
    async publish(destination, body, headers = {}) {
      const parsed = parseDestination(destination, 'send');
      const message = { headers: new Map(Object.entries(headers)), body };
      await publishTo(broker, parsed, message);
    },
    close: () => Promise.resolve(),
  };
}

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker: kind, transport }) => {
  let broker: TestBroker;
  let relay: TestRelay;
  let backEnd: BackEnd;
  let clients: StompClient[] = [];
  let streams: TestStream[] = [];
  let topic: string;
  beforeEach(async () => {
    topic = `/topic/${randomUUID()}`;
    broker = await createBroker(kind);
  });
  afterEach(async () => {
    for (const client of clients) client.destroy();
    for (const stream of streams) stream.close();
    [clients, streams] = [[], []];
    await backEnd.close();
    await relay.stop();
    await broker.delete();
  });

  async function start(options: ConfigInput = {}): Promise<void> {
    const { memory, topicExchange, topics, queues } = createConfig();
    const shared = { topicExchange, topics, queueArguments: queues.arguments };
    const embedded = kind === 'memory' ? new MemoryBroker({ ...memory, ...shared }) : undefined;
    relay = await startRelay(broker.url, options, embedded && { broker: embedded });
    backEnd = embedded ? memoryBackEnd(embedded) : await amqpBackEnd(broker.url);
  }
  async function subscriber(destination: string, headers: Record<string, string> = {}): Promise<StompClient> {
    const client = await connectStomp(relay[transport]);
    clients.push(client);
    await client.receipt('SUBSCRIBE', { id: 's', destination, ...headers });
    return client;
  }
  async function stream(destination: string): Promise<TestStream> {
    const opened = await new TestStream(streamUrl(relay, destination)).opened();
    streams.push(opened);
    return opened;
  }
  const body = (bytes: number, fill = 'x'): Buffer => Buffer.alloc(bytes, fill);
  const small = (text: string): Promise<void> => backEnd.publish(topic, Buffer.from(text));
  const summary = ({ body: { length }, headers }: ReceivedFrame): unknown[] => [length, headers['relay-dropped']];

  test('a message that is too large ends no session and no stream; the next one has relay-dropped', async () => {
    await start();
    const early = [await subscriber(topic), await subscriber(topic)];
    const reader = await stream(topic);
    await backEnd.publish(topic, body(TOO_LARGE_BYTES));
    await small('1');
    const marked = await Promise.all(early.map((client) => client.expectFrame('MESSAGE', { 'relay-dropped': '1' })));
    expect(marked.map((each) => each.body.toString())).toEqual(['1', '1']);
    expect((await reader.next()).data).toMatchObject({ headers: { 'relay-dropped': '1' }, body: '1' });
    await small('2');
    for (const client of early) expect(summary(await client.expectFrame('MESSAGE'))).toEqual([1, undefined]);
    expect((await reader.next()).data.headers).not.toHaveProperty('relay-dropped');
    expect(await metric(relay, 'messages_too_large_total')).toBe(3);
    expect(await metric(relay, 'slow_consumers_total')).toBe(0);
  }, 60_000);

  test('a subscriber that joins after a message that was too large gets no relay-dropped', async () => {
    await start({ session: { messageMaxBytes: 5_000_000 } });
    const early = await subscriber(topic);
    await backEnd.publish(topic, body(5_000_001));
    // A later message in the same queue: it is handled after the large one
    const other = await subscriber(`${topic}.other`);
    await backEnd.publish(`${topic}.other`, Buffer.from('x'));
    await other.expectFrame('MESSAGE');
    const late = await subscriber(topic);
    await small('1');
    expect(summary(await early.expectFrame('MESSAGE'))).toEqual([1, '1']);
    expect(summary(await late.expectFrame('MESSAGE'))).toEqual([1, undefined]);
  }, 60_000);

  test('headers count towards the size of a message', async () => {
    await start({
      limits: { afterLogin: { headersMaxBytes: 4_096, bodyMaxBytes: 4_096 } },
      session: { messageMaxBytes: 65_536 },
    });
    const client = await subscriber(topic);
    await backEnd.publish(topic, body(40_000), { colour: 'x'.repeat(30_000) });
    await backEnd.publish(topic, body(40_000), { colour: 'x'.repeat(20_000) });
    expect(summary(await client.expectFrame('MESSAGE'))).toEqual([40_000, '1']);
  }, 60_000);

  test.each([8 * 1024 * 1024, 1024 * 1024])(
    'large messages in a row, with small ones between them, reach all clients that read; outboxMaxBytes %i',
    async (outboxMaxBytes) => {
      await start({ session: { outboxMaxBytes } });
      const readers = [await subscriber(topic), await subscriber(topic)];
      const reader = await stream(topic);
      for (let i = 0; i < COUNT; i++) {
        await backEnd.publish(topic, body(LARGE_BYTES, String(i)));
        await small('small');
      }
      for (const client of readers) {
        for (let i = 0; i < COUNT; i++) {
          const large = await client.expectFrame('MESSAGE', {}, 30_000);
          expect([large.body.length, large.body.subarray(-1).toString()]).toEqual([LARGE_BYTES, String(i)]);
          expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('small');
        }
      }
      for (let i = 0; i < 2 * COUNT; i++)
        expect((await reader.next()).data.body).toHaveLength(i % 2 === 0 ? LARGE_BYTES : 5);
      expect(await metric(relay, 'slow_consumers_total')).toBe(0);
    },
    90_000,
  );

  test('a client that does not read large messages is disconnected, without an effect on others', async () => {
    await start();
    const frozen = await subscriber(topic);
    const healthy = await subscriber(topic);
    frozen.pause();
    let sent = 0;
    while ((await metric(relay, 'slow_consumers_total')) === 0) {
      expect(++sent).toBeLessThan(MESSAGES_MAX);
      await backEnd.publish(topic, body(LARGE_BYTES));
      expect((await healthy.expectFrame('MESSAGE', {}, 30_000)).body).toHaveLength(LARGE_BYTES);
    }
    await small('still served');
    await healthy.expectFrame('MESSAGE');
  }, 90_000);

  test.each(['auto', 'client', 'client-individual'])(
    'ack:%s: a message of a queue that is too large is dead-lettered, and the next one has relay-dropped',
    async (ack) => {
      await start();
      const [queue, dead] = [`/queue/${randomUUID()}`, randomUUID()];
      const headers = { ack, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': dead, 'auto-delete': 'true' };
      const letters = await subscriber(`/queue/${dead}`, { 'auto-delete': 'true' });
      const client = await subscriber(queue, headers);
      await backEnd.publish(queue, body(TOO_LARGE_BYTES));
      await backEnd.publish(`/queue/${dead}`, Buffer.from('after'));
      await backEnd.publish(queue, Buffer.from('1'));
      expect(summary(await client.expectFrame('MESSAGE'))).toEqual([1, '1']);
      await letters.expectFrame('MESSAGE');
      // The subscriber of the dead letters drops it too
      await eventuallyMetric(relay, 'messages_too_large_total', 2);
      await backEnd.publish(queue, Buffer.from('2'));
      expect(summary(await client.expectFrame('MESSAGE'))).toEqual([1, undefined]);
    },
    60_000,
  );
});

async function eventuallyMetric(relay: TestRelay, name: string, value: number): Promise<void> {
  await eventually(
    async () => ((await metric(relay, name)) === value ? true : undefined),
    10_000,
    () => `${name} is not ${value}`,
  );
}
