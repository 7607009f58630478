/** One queue of the relay on channels that the test controls. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Link } from '../../../../../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import { SharedQueue } from '../../../../../../server/src/brokers/rabbitmq/consume/shared-queue.js';
import { rabbitOptions, TestLog } from '../../../../../support/rabbitmq-brokers.js';

/** Records its calls, and answers at once. */
class ScriptedChannel extends EventEmitter {
  readonly calls: string[] = [];
  declared: object = {};
  /** Called before the answer. */
  onCancel: () => void = () => undefined;
  private deliver: (message: ConsumeMessage | null) => void = () => undefined;
  private tag = 0;

  assertQueue(name: string, options: object): Promise<object> {
    this.declared = options;
    return this.answer(`declare ${name.split('.').slice(0, 4).join('.')}`);
  }
  prefetch(count: number): Promise<object> {
    return this.answer(`prefetch ${count}`);
  }
  consume(_: string, deliver: (message: ConsumeMessage | null) => void): Promise<object> {
    this.deliver = deliver;
    return this.answer('consume', { consumerTag: 'c' });
  }
  cancel(): Promise<object> {
    this.onCancel();
    return this.answer('cancel');
  }
  deleteQueue(): Promise<object> {
    return this.answer('delete');
  }
  close(): Promise<object> {
    return this.answer('close');
  }
  ack({ fields }: ConsumeMessage, upTo: boolean): void {
    this.calls.push(`ack ${upTo ? 'up to' : ''} ${fields.deliveryTag}`);
  }
  nack({ fields }: ConsumeMessage): void {
    this.calls.push(`nack ${fields.deliveryTag}`);
  }

  private answer(call: string, value: object = {}): Promise<object> {
    this.calls.push(call);
    return Promise.resolve(value);
  }

  send(body: string, redelivered = false): void {
    const fields = { deliveryTag: ++this.tag, redelivered, exchange: 'e', routingKey: 'k', consumerTag: 'c' };
    this.deliver({ fields, properties: {}, content: Buffer.from(body) } as unknown as ConsumeMessage);
  }

  /** The calls since the last time. */
  taken(): string[] {
    return this.calls.splice(0);
  }
}

let channels: ScriptedChannel[];
let checks: string[];
/** The answer to the question for the queue. */
let found: () => Promise<unknown>;
let events: string[];
let log: TestLog;
let connection: EventEmitter & { current: object | undefined };
let queue: SharedQueue;
/** Deliveries that the user passes on later, while `isHolding`. */
let held: ConsumeMessage[];
let isHolding: boolean;

const settle = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
};
const now = (): ScriptedChannel => channels.at(-1)!;

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  [channels, checks, events, held] = [[], [], [], []];
  isHolding = false;
  found = () => Promise.resolve();
  log = new TestLog();
  const model = {
    createChannel: () => {
      const channel = new ScriptedChannel();
      channels.push(channel);
      return Promise.resolve(channel);
    },
  };
  const listen = (listener: { up(): void }) => (connection.on('up', () => listener.up()), () => undefined);
  connection = Object.assign(new EventEmitter(), { current: model, listen });
  const scratch = {
    run: (work: (channel: Channel) => unknown) => {
      const asked = {
        checkQueue: (name: string) => (checks.push(`check ${name}`), found()),
        deleteQueue: (name: string) => (checks.push(`delete ${name}`), Promise.resolve()),
      };
      return work(asked as unknown as Channel);
    },
  };
  const options = rabbitOptions('amqp://unused', { instanceId: 'me', instancePrefetch: 100, log });
  queue = new SharedQueue('topics', { connection, scratch } as unknown as Link, options, {
    bind: (name) => Promise.resolve(void events.push(`bind ${names(name)}`)),
    deliver: (message, isAgain) => {
      events.push(`${message.content.toString()}${isAgain ? '!' : ''}`);
      if (isHolding) held.push(message);
      return !isHolding;
    },
    lost: () => void events.push('lost'),
    gap: () => void events.push('gap'),
  });
  queue.start();
  await settle();
});
afterEach(async () => {
  await queue.close();
  jest.useRealTimers();
});

/** The names of queues by number, because they are random. */
const known: string[] = [];
function names(name: string): number {
  if (!known.includes(name)) known.push(name);
  return known.indexOf(name);
}

async function reconnect(): Promise<void> {
  now().emit('close');
  jest.advanceTimersByTime(1_000);
  await settle();
}

test('declares a queue that outlives its connection, is bounded, and has one consumer at a time', () => {
  expect(now().calls).toEqual(['declare stomp-relay.instance.me.topics', 'prefetch 101', 'consume']);
  expect(now().declared).toEqual({
    durable: true,
    arguments: {
      'x-queue-type': 'classic',
      'x-expires': 60_000,
      'x-max-length-bytes': 64 * 1024 * 1024,
      'x-overflow': 'drop-head',
      'x-single-active-consumer': true,
    },
  });
});

test('acknowledges all deliveries but the latest', async () => {
  now().taken();
  now().send('a');
  await settle();
  expect(now().taken()).toEqual([]);
  for (const body of ['b', 'c', 'd']) now().send(body);
  await settle();
  expect(now().taken()).toEqual(['ack up to 3']);
  now().send('e');
  await settle();
  expect(now().taken()).toEqual(['ack up to 4']);
});

describe('deliveries that are passed on later', () => {
  test('are acknowledged then, with those that were not for the user behind them', async () => {
    for (const body of ['a', 'b']) now().send(body);
    await reconnect();
    now().taken();
    now().send('b', true);
    isHolding = true;
    for (const body of ['c', 'd', 'e']) now().send(body);
    await settle();
    expect(now().taken()).toEqual([]);
    queue.passedOn(held[0]!);
    await settle();
    expect(now().taken()).toEqual(['ack up to 1']);
    for (const delivery of held.slice(1)) queue.passedOn(delivery);
    await settle();
    expect(now().taken()).toEqual(['ack up to 3']);
  });

  test('on a lost channel are not acknowledged on the next one', async () => {
    isHolding = true;
    for (const body of ['a', 'b', 'c']) now().send(body);
    await reconnect();
    isHolding = false;
    now().taken();
    for (const delivery of held) queue.passedOn(delivery);
    await settle();
    expect(now().taken()).toEqual([]);
    for (const body of ['a', 'b', 'c']) now().send(body, true);
    now().send('d');
    await settle();
    expect(now().taken()).toEqual(['ack up to 3']);
    expect(events.slice(-1)).toEqual(['d']);
  });
});

describe('on the next channel', () => {
  test('consumes the same queue, and passes on what is new', async () => {
    for (const body of ['a', 'b', 'b']) now().send(body);
    await reconnect();
    expect(now().calls).toEqual(['prefetch 101', 'consume']);
    expect(checks).toHaveLength(1);
    for (const body of ['b', 'b', 'c']) now().send(body, true);
    now().send('b');
    const bound = events.find((event) => event.startsWith('bind'));
    expect(events).toEqual([bound, 'a', 'b', 'b', 'lost', bound, 'b!', 'c', 'b']);
  });

  test('reports a gap if its latest delivery is gone', async () => {
    now().send('a');
    await reconnect();
    now().send('b');
    expect(events.slice(-2)).toEqual(['gap', 'b']);
    expect(log.lines.filter((line) => line.includes('instanceQueueMaxBytes'))).toHaveLength(1);
  });

  test('declares another queue and reports a gap if the queue is gone', async () => {
    now().send('a');
    found = () => Promise.reject(Object.assign(new Error('gone'), { code: 404 }));
    await reconnect();
    expect(now().calls[0]).toBe('declare stomp-relay.instance.me.topics');
    const bound = events.filter((event) => event.startsWith('bind'));
    expect(new Set(bound).size).toBe(2);
    expect(events.slice(-3)).toEqual(['lost', 'gap', bound[1]]);
    now().send('a', true);
    expect(events.at(-1)).toBe('a');
  });
});

test('asks once a second which deliveries are settled, while there are any', async () => {
  now().send('a');
  now().send('b');
  await settle();
  now().taken();
  jest.advanceTimersByTime(1_000);
  await settle();
  expect(now().taken()).toEqual(['prefetch 101']);
  jest.advanceTimersByTime(10_000);
  await settle();
  expect(now().taken()).toEqual([]);
});

test('asks earlier if the deliveries are large', async () => {
  now().taken();
  for (let i = 0; i < 3; i++) now().send('x'.repeat(500 * 1024));
  await settle();
  expect(now().taken()).toEqual(['ack up to 2', 'prefetch 101']);
});

test('returns a delivery that it has held for long, and takes it again', async () => {
  now().send('a');
  await settle();
  now().taken();
  jest.advanceTimersByTime(6 * 60_000);
  await settle();
  expect(now().taken()).toEqual(['cancel', 'nack 1', 'prefetch 101', 'consume']);
  now().send('a', true);
  now().send('b');
  await settle();
  expect(now().taken()).toEqual(['ack up to 2']);
  expect(events.slice(1)).toEqual(['a', 'b']);
});

test('returns nothing if deliveries come meanwhile that are passed on later', async () => {
  now().send('a');
  await settle();
  now().taken();
  now().onCancel = () => {
    isHolding = true;
    for (const body of ['b', 'c']) now().send(body);
  };
  jest.advanceTimersByTime(301_000);
  await settle();
  expect(now().taken()).toEqual(['cancel', 'prefetch 101', 'consume']);
  for (const delivery of held) queue.passedOn(delivery);
  await settle();
  expect(now().taken()).toEqual(['ack up to 2']);
});

test('consumes with a smaller prefetch if messages are large', async () => {
  now().taken();
  now().send('x'.repeat(16 * 1024 * 1024));
  await settle();
  expect(now().taken()).toEqual(['cancel', 'prefetch 9', 'consume']);
});

describe('close', () => {
  test('deletes the queue', async () => {
    await queue.close();
    expect(now().calls.slice(-2)).toEqual(['delete', 'close']);
    expect(checks).toEqual([]);
  });

  test('leaves no timer, although deliveries come until the queue is deleted', async () => {
    const closing = queue.close();
    now().send('late');
    await closing;
    expect(jest.getTimerCount()).toBe(0);
  });

  test('without a channel deletes the queue when RabbitMQ is back', async () => {
    now().emit('close');
    await queue.close();
    expect(checks).toEqual([expect.stringMatching(/^delete stomp-relay\.instance\.me\.topics\./)]);
  });
});
