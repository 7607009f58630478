/** A publisher on a channel whose confirms the test controls. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type {
  AmqpConnection,
  ConnectionListener,
} from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-connection.js';
import { OutgoingMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';
import { deferred } from '../../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import type { Outgoing } from '../../../../../../server/src/brokers/rabbitmq/publish/outgoing.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import { Publisher } from '../../../../../../server/src/brokers/rabbitmq/publish/publisher.js';
import type { Topology } from '../../../../../../server/src/brokers/rabbitmq/topology.js';
import { message, rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

interface Published {
  readonly id: unknown;
  readonly key: string;
  readonly isResent: boolean;
}

class FakeChannel extends EventEmitter {
  readonly published: Published[] = [];
  publish(_exchange: string, key: string, _body: Buffer, options: { headers: Record<string, unknown> }): void {
    const { headers } = options;
    this.published.push({ id: headers['relay-id'], key, isResent: headers['relay-resent'] === 'true' });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

const options = rabbitOptions('amqp://nowhere');
let channel: FakeChannel;
let publisher: Publisher;
let bindings: OwnBindings;
let listener: ConnectionListener;
/** Queues are there, unless `away`; then they are back when `back` resolves. */
let topology: FakeTopology;

class FakeTopology {
  away = false;
  readonly back = deferred<void>();
  readonly asked: string[] = [];
  readonly exchanges = { isOwn: (exchange: string) => exchange === 'stomp-relay.user' };
  forgetQueue(): void {}
  isAway(): Promise<boolean> {
    return Promise.resolve(this.away);
  }
  ensureQueue(queue: string): Promise<void> {
    this.asked.push(`ensure ${queue}`);
    return this.back.promise;
  }
  awaitQueue(queue: string): Promise<void> {
    this.asked.push(`await ${queue}`);
    return this.back.promise;
  }
}

beforeEach(async () => {
  channel = new FakeChannel();
  topology = new FakeTopology();
  const listen = (given: ConnectionListener): (() => void) => {
    if (given.blocked) listener = given;
    return () => undefined;
  };
  const model = { createConfirmChannel: () => Promise.resolve(channel) };
  const connection = { current: model, blocked: false, frameMax: 131_072, listen };
  bindings = new OwnBindings(1_000, () => Promise.resolve());
  publisher = new Publisher(
    'publish',
    connection as unknown as AmqpConnection,
    topology as unknown as Topology,
    bindings,
    options,
  );
  publisher.start();
  await publisher.admit(1);
  jest.useFakeTimers();
});
afterEach(async () => {
  jest.useRealTimers();
  await publisher.close();
});

/** Publishes to `/queue/NAME`, or to `/amq/queue/NAME`. */
function publishToQueue(name: string, kind: 'queue' | 'amq-queue' = 'queue'): Promise<string> {
  const route = { exchange: '', key: name, ...(kind === 'queue' ? { queue: name } : { mustExist: true as const }) };
  return settled(publisher.publish(route, outgoing(), { mandatory: false, user: 'ann' }));
}

function publish(exchange: string, key: string, isHurried = false): Promise<string> {
  return settled(publisher.publish({ exchange, key }, outgoing(), { mandatory: false, user: 'ann', isHurried }));
}

const outgoing = () => new OutgoingMessage(message('x'), options.topics, 131_072);

const settled = (published: Promise<void>): Promise<string> =>
  published.then(
    () => 'confirmed',
    ({ code }: { code: string }) => code,
  );

const answer = (kind: 'ack' | 'nack', deliveryTag: number) => channel.emit(kind, { deliveryTag, multiple: false });

test('a message that its stream would not keep is refused, not published', async () => {
  const stream = {
    keeps: ({ key }: { key: string }) => key === 'a',
    refusal: () => new BrokerError('broker-unavailable', 'not kept'),
  };
  bindings.reportStream(stream, false);
  await expect(publish('amq.topic', 'a')).resolves.toBe('broker-unavailable');
  const other = publish('amq.topic', 'b');
  answer('ack', 1);
  await expect(other).resolves.toBe('confirmed');
  expect(channel.published.map(({ key }) => key)).toEqual(['b']);
  expect([publisher.count, publisher.bytes]).toEqual([0, 0]);
});

describe('a nack', () => {
  test('of a message to a topic sends it again, marked, and its confirm counts', async () => {
    const result = publish('amq.topic', 'a');
    answer('nack', 1);
    jest.advanceTimersByTime(1_000);
    expect(channel.published.map(({ isResent }) => isResent)).toEqual([false, true]);
    answer('ack', 2);
    expect(await result).toBe('confirmed');
  });

  test('of the third attempt refuses the message, and the next one is refused at once', async () => {
    const result = publish('amq.topic', 'a');
    for (const tag of [1, 2, 3]) {
      answer('nack', tag);
      jest.advanceTimersByTime(500);
    }
    expect(await result).toBe('publish-refused');
    expect(channel.published).toHaveLength(3);
    const next = publish('amq.topic', 'b');
    answer('nack', 4);
    expect(await next).toBe('publish-refused');
    expect(channel.published).toHaveLength(4);
  });

  test('of a message to another exchange refuses it at once', async () => {
    const result = publish('orders', 'a');
    answer('nack', 1);
    expect(await result).toBe('publish-refused');
    expect(channel.published).toHaveLength(1);
  });

  test('of a message to a queue that is there sends it again, and refuses it and the next one in the end', async () => {
    const result = publishToQueue('full');
    for (const [attempt, ms] of [250, 500, 1_000, 2_000, 2_000, 0].entries()) {
      answer('nack', attempt + 1);
      await jest.advanceTimersByTimeAsync(ms);
    }
    expect(await result).toBe('publish-refused');
    expect(channel.published.map(({ isResent }) => isResent)).toEqual([false, ...new Array<boolean>(5).fill(true)]);
    const next = publishToQueue('full');
    answer('nack', 7);
    expect(await next).toBe('publish-refused');
  });

  test('does not delay other messages', async () => {
    const nacked = publish('amq.topic', 'a');
    const others = ['b', 'c'].map((key) => publish('amq.topic', key));
    answer('nack', 1);
    answer('ack', 2);
    answer('ack', 3);
    expect(await Promise.all(others)).toEqual(['confirmed', 'confirmed']);
    jest.advanceTimersByTime(250);
    answer('ack', 4);
    expect(await nacked).toBe('confirmed');
    expect(channel.published.map(({ key }) => key)).toEqual(['a', 'b', 'c', 'a']);
  });
});

describe('an alarm', () => {
  const { publishTimeoutMs, blockedTimeoutMs } = options;
  const hurried = (key: string) => publish('amq.topic', key, true);

  test('does not count towards the deadline of a message that RabbitMQ has not confirmed', async () => {
    const result = publish('amq.topic', 'a');
    listener.blocked?.('low on memory');
    await jest.advanceTimersByTimeAsync(blockedTimeoutMs);
    listener.blocked?.(undefined);
    await jest.advanceTimersByTimeAsync(publishTimeoutMs - 1);
    answer('ack', 1);
    expect(await result).toBe('confirmed');
  });

  test('that does not end refuses the message after blockedTimeoutMs, and a hurried one before', async () => {
    const settled: string[] = [];
    void publish('amq.topic', 'a').then((result) => settled.push(`a ${result}`));
    void hurried('b').then((result) => settled.push(`b ${result}`));
    listener.blocked?.('low on memory');
    await jest.advanceTimersByTimeAsync(publishTimeoutMs);
    expect(settled).toEqual(['b broker-unavailable']);
    await jest.advanceTimersByTimeAsync(blockedTimeoutMs - 1);
    expect(settled).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(settled).toEqual(['b broker-unavailable', 'a broker-unavailable']);
  });
});

describe('a queue whose node is down', () => {
  const turns = () => jest.advanceTimersByTimeAsync(0);
  const bounce = (name: string): void => {
    const { id } = channel.published.at(-1)!;
    channel.emit('return', { properties: { headers: { 'relay-id': id } }, fields: { routingKey: name } });
  };

  test('a message that it nacks waits for the node, and is sent again, marked', async () => {
    topology.away = true;
    const result = publishToQueue('q');
    answer('nack', 1);
    await turns();
    expect([channel.published.length, topology.asked]).toEqual([1, ['ensure q']]);
    topology.back.resolve();
    await turns();
    expect(channel.published.map(({ isResent }) => isResent)).toEqual([false, true]);
    answer('ack', 2);
    expect(await result).toBe('confirmed');
  });

  test.each([
    ['queue', 'ensure q'],
    ['amq-queue', 'await q'],
  ] as const)('a returned message to /%s waits for the node, and has not arrived', async (kind, asked) => {
    const result = publishToQueue('q', kind);
    bounce('q');
    answer('ack', 1);
    await turns();
    expect(topology.asked).toEqual([asked]);
    topology.back.resolve();
    await turns();
    expect(channel.published.map(({ isResent }) => isResent)).toEqual([false, false]);
    answer('ack', 2);
    expect(await result).toBe('confirmed');
  });

  test('a message that another publisher takes over leaves this one, with its deadline and its sender', async () => {
    const taken: Outgoing[] = [];
    publisher.secondWay = { takeOver: (each) => each.nacks >= 2 && taken.push(each) > 0 };
    const result = publishToQueue('q');
    topology.back.resolve();
    answer('nack', 1);
    await jest.advanceTimersByTimeAsync(250);
    answer('nack', 2);
    await jest.advanceTimersByTimeAsync(options.publishTimeoutMs);
    expect([publisher.count, publisher.bytes, taken.length]).toEqual([0, 0, 1]);
    publisher.adopt(taken[0]!);
    expect(channel.published.map(({ isResent }) => isResent)).toEqual([false, true, true]);
    answer('ack', 3);
    expect(await result).toBe('confirmed');
  });

  test('that stays down: the message is refused at its deadline', async () => {
    topology.away = true;
    const result = publishToQueue('q');
    answer('nack', 1);
    await jest.advanceTimersByTimeAsync(options.publishTimeoutMs);
    expect(await result).toBe('broker-unavailable');
  });
});
