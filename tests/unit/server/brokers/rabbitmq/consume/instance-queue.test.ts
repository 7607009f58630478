/** A queue of the relay at a RabbitMQ whose bindings the test removes. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type { Canaries } from '../../../../../../server/src/brokers/rabbitmq/consume/canaries.js';
import type { Link } from '../../../../../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import { InstanceQueue } from '../../../../../../server/src/brokers/rabbitmq/consume/instance-queue.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import { rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

const INTERVAL_MS = 1_000;
const CANARY = 'canary';

/** Answers at once. A queue keeps its name and its bindings when the channel is lost. */
class FakeRabbit extends EventEmitter {
  readonly bound = new Set<string>();
  /** Called after each binding. */
  onBind: (key: string) => void = () => undefined;
  private channel = new EventEmitter();
  private deliver: (message: ConsumeMessage | null) => void = () => undefined;
  private tag = 0;

  readonly current = { createChannel: () => Promise.resolve(this.newChannel()) };
  readonly scratch = { run: (work: (channel: Channel) => unknown) => work(this.asked as unknown as Channel) };
  private readonly asked = {
    checkQueue: () => Promise.resolve({ messageCount: 0, consumerCount: 1 }),
    deleteQueue: () => Promise.resolve(),
    unbindQueue: (_: string, __: string, key: string) => Promise.resolve(void this.bound.delete(key)),
    bindQueue: async (_: string, __: string, key: string) => {
      await Promise.resolve();
      this.bound.add(key);
      this.onBind(key);
    },
  };

  listen(): () => void {
    return () => undefined;
  }

  /** Its consumer gets the canary, if the canaries' key is bound. */
  async canary(token: string): Promise<void> {
    await Promise.resolve();
    if (!this.bound.has(CANARY)) throw new BrokerError('unroutable', 'no queue');
    const fields = { deliveryTag: ++this.tag, redelivered: false, exchange: 'e', routingKey: CANARY };
    const properties = { headers: { 'relay-canary': token } };
    this.deliver({ fields, properties, content: Buffer.alloc(0) } as unknown as ConsumeMessage);
  }

  cut(): void {
    this.channel.emit('close');
  }

  private newChannel(): EventEmitter {
    const done = (): Promise<object> => Promise.resolve({ consumerTag: 'c' });
    this.channel = Object.assign(new EventEmitter(), {
      ...{ assertQueue: done, prefetch: done, cancel: done, deleteQueue: done, close: done, ack: () => undefined },
      consume: (_: string, deliver: (message: ConsumeMessage | null) => void) => ((this.deliver = deliver), done()),
    });
    return this.channel;
  }
}

let rabbit: FakeRabbit;
let own: OwnBindings;
let queue: InstanceQueue;
let isMissing: boolean;
let ended: string[];

async function pass(ms: number): Promise<void> {
  await jest.advanceTimersByTimeAsync(ms);
}

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['queueMicrotask', 'nextTick'] });
  rabbit = new FakeRabbit();
  own = new OwnBindings(INTERVAL_MS, () => Promise.resolve());
  isMissing = false;
  const missing = new BrokerError('exchange-not-found', 'no exchange');
  const ensure = (): Promise<void> => (isMissing ? Promise.reject(missing) : Promise.resolve());
  const exchange = { label: 'topics', name: 'e', matching: 'topic', canaryKey: CANARY } as const;
  const canaries = { sendThrough: (_: string, __: string, token: string) => rabbit.canary(token) };
  queue = new InstanceQueue(
    { ...exchange, ensure, check: ensure },
    { connection: rabbit, scratch: rabbit.scratch } as unknown as Link,
    rabbitOptions('amqp://unused', { canaryIntervalMs: INTERVAL_MS }),
    { own, canaries: canaries as unknown as Canaries, lanes: undefined },
  );
  ended = [];
  const subscribing = queue.subscribe(
    { key: 'news' },
    () => undefined,
    ({ code }) => void ended.push(code),
  );
  await pass(10);
  await subscribing;
});
afterEach(async () => {
  const closing = queue.close();
  await pass(0);
  await closing;
  own.close();
  jest.useRealTimers();
});

test('bindings that were removed are made again', async () => {
  rabbit.bound.clear();
  await pass(INTERVAL_MS);
  expect(rabbit.bound).toEqual(new Set([CANARY, 'news']));
  expect(queue.pendingBindings).toBe(0);
});

test('a cut link in between leaves none of them out, although the canaries return', async () => {
  rabbit.bound.clear();
  rabbit.onBind = (key) => {
    if (key !== CANARY) return;
    rabbit.onBind = () => undefined;
    rabbit.cut();
  };
  await pass(3 * INTERVAL_MS);
  expect(rabbit.bound).toEqual(new Set([CANARY, 'news']));
  expect([queue.pendingBindings, queue.watch.isSilent]).toEqual([0, false]);
});

test('a refused attempt in between leaves none of them out', async () => {
  rabbit.bound.clear();
  rabbit.onBind = (key) => {
    if (key !== CANARY) return;
    rabbit.onBind = () => undefined;
    throw new Error('no answer');
  };
  await pass(3 * INTERVAL_MS);
  expect(rabbit.bound).toEqual(new Set([CANARY, 'news']));
  expect([queue.pendingBindings, queue.watch.isSilent]).toEqual([0, false]);
});

test.each(['before the canary', 'with the canary'])(
  'subscriptions outlive an exchange that is deleted and declared again (found missing %s)',
  async (when) => {
    rabbit.bound.clear();
    isMissing = when === 'before the canary';
    rabbit.onBind = (key) => {
      rabbit.bound.delete(key);
      throw Object.assign(new Error('no exchange'), { code: 404 });
    };
    await pass(3 * INTERVAL_MS);
    expect([[...rabbit.bound], queue.watch.isSilent, ended]).toEqual([[], true, []]);
    isMissing = false;
    rabbit.onBind = () => undefined;
    await pass(3 * INTERVAL_MS);
    expect(rabbit.bound).toEqual(new Set([CANARY, 'news']));
    expect([queue.pendingBindings, queue.watch.isSilent, ended]).toEqual([0, false, []]);
  },
);
