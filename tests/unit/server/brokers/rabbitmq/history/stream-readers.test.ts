/** Reads of a history on a connection that the test controls. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { ReadEnd } from '../../../../../../server/src/brokers/history.js';
import type { Link } from '../../../../../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import { StreamReaders } from '../../../../../../server/src/brokers/rabbitmq/history/stream-readers.js';
import { rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

type OnMessage = (message: ConsumeMessage | null) => void;

class ReadChannel extends EventEmitter {
  from = '';
  isClosed = false;
  acks: number[] = [];
  deliver: OnMessage = () => undefined;
  private tag = 0;

  prefetch(): Promise<void> {
    return Promise.resolve();
  }
  consume(stream: string, deliver: OnMessage, options: { arguments: Record<string, unknown> }): Promise<void> {
    this.deliver = deliver;
    this.from = `${stream} ${String(options.arguments['x-stream-offset'])}`;
    return consuming();
  }
  ack({ fields }: ConsumeMessage): void {
    this.acks.push(fields.deliveryTag);
  }
  close(): Promise<void> {
    this.isClosed = true;
    this.emit('close');
    return Promise.resolve();
  }

  send(...offsets: number[]): void {
    for (const offset of offsets) {
      const fields = { deliveryTag: ++this.tag, exchange: 'amq.topic', routingKey: 'k' };
      const properties = { headers: { 'x-stream-offset': offset } };
      this.deliver({ fields, properties, content: Buffer.from('x') } as unknown as ConsumeMessage);
    }
  }
}

let channels: ReadChannel[];
let links: { isClosed: boolean; current: object | undefined }[];
let consuming: () => Promise<void>;
/** The answer to the question whether the stream exists. */
let checking: () => Promise<void>;
let first: number;
let readers: StreamReaders;

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
};

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  [channels, links, first] = [[], [], 0];
  consuming = checking = () => Promise.resolve();
  readers = new StreamReaders(rabbitOptions('amqp://unused', { publishTimeoutMs: 1_000 }), openLink);
});
afterEach(async () => {
  await readers.close();
  jest.useRealTimers();
});

function openLink(): Link {
  const model = {
    createChannel: () => {
      channels.push(new ReadChannel());
      return Promise.resolve(channels.at(-1));
    },
  };
  const connection = {
    isClosed: false,
    current: model as object | undefined,
    start: () => undefined,
    whenUp: () => (connection.current ? Promise.resolve(model) : new Promise(() => undefined)),
    close: () => Promise.resolve(void (connection.isClosed = true)),
  };
  links.push(connection);
  const asked = {
    prefetch: () => Promise.resolve(),
    cancel: () => Promise.resolve(),
    ack: () => undefined,
    checkQueue: () => checking(),
    consume: (_: string, deliver: OnMessage) => {
      const properties = { headers: { 'x-stream-offset': first } };
      deliver({ fields: { deliveryTag: 1 }, properties, content: Buffer.alloc(0) } as unknown as ConsumeMessage);
      return Promise.resolve({ consumerTag: 's' });
    },
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(asked as unknown as Channel) };
  return { connection, scratch } as unknown as Link;
}

interface Reading {
  readonly offsets: number[];
  readonly abort: AbortController;
  end: ReadEnd | undefined;
}

/** Reads until `last`. */
function read(stream: string, offset: number, last = Infinity): Reading {
  const reading: Reading = { offsets: [], abort: new AbortController(), end: undefined };
  const entry = (each: { offset: number }): boolean => (reading.offsets.push(each.offset), each.offset < last);
  void readers.read(stream, { offset, entry }, reading.abort.signal).then((end) => (reading.end = end));
  return reading;
}

test('a read gets everything from its offset on, until it wants no more', async () => {
  const reading = read('s', 5, 7);
  await settle();
  expect(channels[0]!.from).toBe('s 5');
  channels[0]!.send(5, 6, 7, 8);
  await settle();
  expect(reading).toMatchObject({ offsets: [5, 6, 7], end: 'stopped' });
  expect(channels[0]!.isClosed).toBe(true);
  expect(readers.count).toBe(0);
});

test('acknowledges, because acks are the credit of a stream', async () => {
  read('s', 5);
  await settle();
  channels[0]!.send(5, 6);
  await settle();
  expect(channels[0]!.acks).toEqual([2]);
});

test('a pass serves all reads that it has yet to come past', async () => {
  const one = read('s', 5, 8);
  await settle();
  channels[0]!.send(5, 6);
  const ahead = read('s', 8, 9);
  const other = read('t', 8, 8);
  const behind = read('s', 6, 6);
  const far = read('s', 50_000);
  await settle();
  expect(channels.map(({ from }) => from)).toEqual(['s 5', 't 8', 's 6', 's 50000']);
  channels[0]!.send(7, 8, 9);
  channels[1]!.send(8);
  channels[2]!.send(6);
  await settle();
  expect([one, ahead, other, behind].map(({ offsets }) => offsets)).toEqual([[5, 6, 7, 8], [8, 9], [8], [6]]);
  expect(far.end).toBeUndefined();
  expect(links).toHaveLength(1);
});

test('a jump that the first offset explains is none', async () => {
  const reading = read('s', 5, 9);
  await settle();
  channels[0]!.send(5, 7, 9);
  await settle();
  expect(reading).toMatchObject({ offsets: [5, 7, 9], end: 'stopped' });
});

test('too old, and overtaken: nothing is skipped', async () => {
  const [begun, ahead] = [read('s', 5), read('s', 95, 95)];
  await settle();
  channels[0]!.send(5, 6);
  const old = read('s', 50);
  first = 90;
  channels[0]!.send(90, 95);
  await settle();
  expect(begun).toMatchObject({ offsets: [5, 6], end: 'overtaken' });
  expect(old).toMatchObject({ offsets: [], end: 'too-old' });
  expect(ahead).toMatchObject({ offsets: [95], end: 'stopped' });
});

describe('a consumer that ends', () => {
  const refusing = (code: number, text: string) => () =>
    Promise.reject(Object.assign(new Error(`Operation failed: 404 (NOT-FOUND) with message "${text}"`), { code }));

  async function ends(): Promise<(ReadEnd | undefined)[]> {
    const cancelled = read('s', 5);
    await settle();
    channels[0]!.deliver(null);
    await settle();
    const lost = read('s', 5);
    await settle();
    channels[1]!.emit('close');
    await settle();
    consuming = () => Promise.reject(new Error('refused'));
    const refused = read('s', 5);
    await settle();
    return [cancelled, lost, refused].map(({ end }) => end);
  }

  test('of a stream that does not exist: gone', async () => {
    checking = refusing(404, "NOT_FOUND - no queue 's' in vhost '/'");
    expect(await ends()).toEqual(['gone', 'gone', 'gone']);
  });

  test.each([
    ['of a stream that exists', () => Promise.resolve()],
    ['of a stream whose node is down', refusing(404, "NOT_FOUND - queue 's' in vhost '/' process is stopped")],
    ['of a RabbitMQ that does not answer', () => Promise.reject(new Error('away'))],
  ])('%s: away', async (_, answer) => {
    checking = answer;
    expect(await ends()).toEqual(['away', 'away', 'away']);
  });
});

test('RabbitMQ does not answer: deadline', async () => {
  const first = read('s', 5, 5);
  await settle();
  channels[0]!.send(5);
  await settle();
  expect(first.end).toBe('stopped');
  links[0]!.current = undefined;
  const reading = read('s', 5);
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  expect(reading.end).toBe('deadline');
});

test('the signal ends a read, and the last one its pass', async () => {
  const [one, two] = [read('s', 5), read('s', 6)];
  await settle();
  one.abort.abort();
  await settle();
  expect([one.end, two.end]).toEqual(['stopped', undefined]);
  expect(channels[0]!.isClosed).toBe(false);
  two.abort.abort();
  await settle();
  expect(two.end).toBe('stopped');
  expect(channels[0]!.isClosed).toBe(true);
  const aborted = new AbortController();
  aborted.abort();
  expect(await readers.read('s', { offset: 1, entry: () => true }, aborted.signal)).toBe('stopped');
  expect(channels).toHaveLength(1);
});

test('the connection is closed after a minute without a read, and opened again', async () => {
  read('s', 5, 5);
  await settle();
  channels[0]!.send(5);
  await jest.advanceTimersByTimeAsync(59_000);
  read('s', 5, 5);
  await settle();
  await jest.advanceTimersByTimeAsync(10_000);
  expect(links.map(({ isClosed }) => isClosed)).toEqual([false]);
  channels[1]!.send(5);
  await settle();
  await jest.advanceTimersByTimeAsync(60_000);
  expect(links.map(({ isClosed }) => isClosed)).toEqual([true]);
  read('s', 5);
  expect(links).toHaveLength(2);
});

test('close ends all reads', async () => {
  const reading = read('s', 5);
  await settle();
  await readers.close();
  await settle();
  expect(reading.end).toBe('away');
  expect(links[0]!.isClosed).toBe(true);
  expect(await readers.read('s', { offset: 1, entry: () => true }, new AbortController().signal)).toBe('away');
});

/** Asks to wait at each entry. */
function hesitantRead(offset: number) {
  const reading = {
    offsets: [] as number[],
    end: undefined as ReadEnd | undefined,
    goOn: (_: boolean) => undefined as void,
  };
  const entry = (each: { offset: number }): Promise<boolean> => {
    reading.offsets.push(each.offset);
    return new Promise((resolve) => (reading.goOn = resolve));
  };
  void readers.read('s', { offset, entry }, new AbortController().signal).then((end) => (reading.end = end));
  return reading;
}

test('a read that waits gets nothing meanwhile, then the rest in order, and RabbitMQ gets no credit', async () => {
  const reading = hesitantRead(5);
  await settle();
  const [channel] = channels;
  channel!.send(5, 6, 7);
  await settle();
  expect(reading.offsets).toEqual([5]);
  expect(channel!.acks).toEqual([1]);
  reading.goOn(true);
  await settle();
  expect(reading.offsets).toEqual([5, 6]);
  reading.goOn(true);
  await settle();
  reading.goOn(true);
  await settle();
  expect(reading.offsets).toEqual([5, 6, 7]);
  expect(channel!.acks).toEqual([1, 3]);
  channel!.send(8);
  await settle();
  reading.goOn(false);
  await settle();
  expect(reading.end).toBe('stopped');
  expect(channel!.isClosed).toBe(true);
});

test('a read that would delay others ends', async () => {
  const hesitant = hesitantRead(5);
  const other = read('s', 5, 7);
  await settle();
  channels[0]!.send(5, 6, 7);
  await settle();
  expect(hesitant).toMatchObject({ offsets: [5], end: 'stopped' });
  expect(other).toMatchObject({ offsets: [5, 6, 7], end: 'stopped' });
});

test('a read nearby does not join a pass that waits', async () => {
  const hesitant = hesitantRead(5);
  await settle();
  channels[0]!.send(5);
  await settle();
  const other = read('s', 6, 6);
  await settle();
  channels[1]!.send(6);
  await settle();
  expect(hesitant).toMatchObject({ offsets: [5], end: undefined });
  expect(other).toMatchObject({ offsets: [6], end: 'stopped' });
});
