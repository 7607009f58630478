import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type { PublishOptions } from '../../../../../../server/src/brokers/broker.js';
import { HeaderTables } from '../../../../../../server/src/brokers/rabbitmq/amqp/header-tables.js';
import type { AmqpContent } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';
import { deferred } from '../../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import type { Deferred } from '../../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import { unpackBatch } from '../../../../../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import { LaneCounters } from '../../../../../../server/src/brokers/rabbitmq/lanes/lane-counters.js';
import { LaneWriter } from '../../../../../../server/src/brokers/rabbitmq/lanes/lane-writer.js';
import type { Route } from '../../../../../../server/src/brokers/rabbitmq/publish/route.js';

interface Published {
  readonly route: Route;
  readonly content: AmqpContent;
  readonly options: PublishOptions;
  readonly confirm: Deferred<void>;
}

let published: Published[];
let rooms: number;
let counters: LaneCounters;
let lanes: LaneWriter;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  published = [];
  rooms = 0;
  counters = new LaneCounters();
  const publish = (route: Route, content: AmqpContent, options: PublishOptions): Promise<void> => {
    const confirm = deferred<void>();
    published.push({ route, content, options, confirm });
    return confirm.promise;
  };
  lanes = new LaneWriter({ publish, roomMade: () => rooms++ }, 'lanes', counters);
});
afterEach(() => void jest.useRealTimers());

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Given {
  readonly shard?: string;
  readonly user?: string;
  readonly body?: string;
  readonly headers?: Record<string, string>;
  readonly isHurried?: boolean;
}

function add(
  key: string,
  { shard = 's', user = 'ann', body = '', headers = {}, isHurried }: Given = {},
): Promise<string> {
  const message = {
    isToUser: false,
    key,
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
    toSession: undefined,
  };
  const options = { mandatory: false, user, ...(isHurried !== undefined && { isHurried }) };
  return lanes.add({ message, shard, bytes: 100, options }).then(
    () => 'done',
    ({ code }: BrokerError) => code,
  );
}

/** The keys of each batch. */
const batches = () =>
  published.map(({ content }) =>
    unpackBatch(content.body)
      .map(({ key }) => key)
      .join(' '),
  );

const isMarkedResent = ({ content }: Published): boolean =>
  (content.optionsFor('1', false, false, new HeaderTables()).headers as object & { 'relay-resent'?: string })[
    'relay-resent'
  ] === 'true';

describe('a batch', () => {
  test('has the messages of a turn, in order, and one confirm for all', async () => {
    const results = [add('a'), add('b', { user: 'bob' }), add('c')];
    expect(published).toEqual([]);
    await tick();
    expect(batches()).toEqual(['a b c']);
    expect(published[0]!.route).toEqual({ exchange: 'lanes', key: 's' });
    published[0]!.confirm.resolve();
    expect(await Promise.all(results)).toEqual(['done', 'done', 'done']);
    expect([counters.batches, counters.messages]).toEqual([1, 3]);
  });

  test('collects what comes while another one is on its way', async () => {
    void add('a');
    await tick();
    void add('b');
    await tick();
    void add('c');
    await tick();
    expect(batches()).toEqual(['a']);
    published[0]!.confirm.resolve();
    await tick();
    await tick();
    expect(batches()).toEqual(['a', 'b c']);
  });

  test('does not wait for a late confirm', async () => {
    void add('a');
    await tick();
    void add('b');
    await tick();
    jest.advanceTimersByTime(20);
    expect(batches()).toEqual(['a', 'b']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('has at most 512 messages', () => {
    for (let n = 0; n < 513; n++) void add(String(n));
    expect(published.map(({ content }) => unpackBatch(content.body).length)).toEqual([512]);
  });

  test('has at most 64 KiB, or one message', () => {
    void add('a', { body: 'x'.repeat(40_000) });
    void add('b', { body: 'x'.repeat(40_000) });
    expect(batches()).toEqual(['a']);
    void add('c', { body: 'x'.repeat(70_000) });
    expect(batches()).toEqual(['a', 'b', 'c']);
  });

  test('goes to all shards of its messages', async () => {
    void add('a', { shard: 's1' });
    void add('b', { shard: 's2' });
    void add('c', { shard: 's1' });
    await tick();
    expect(published[0]!.route.key).toBe('s1');
    expect(published[0]!.content.optionsFor('1', false, false, new HeaderTables()).CC).toEqual(['s2']);
  });

  test('is persistent if one of its messages is', async () => {
    void add('a');
    void add('b', { headers: { persistent: 'true' } });
    await tick();
    expect(published[0]!.content.optionsFor('1', false, false, new HeaderTables()).deliveryMode).toBe(2);
  });

  test('has either messages that cannot wait longer in an alarm, or others', async () => {
    void add('a');
    void add('b', { isHurried: true });
    await tick();
    expect(batches()).toEqual(['a']);
    published[0]!.confirm.resolve();
    await tick();
    await tick();
    expect(published.map(({ options }) => options.isHurried)).toEqual([undefined, true]);
  });
});

describe('order', () => {
  test('a sender that publishes otherwise has its batch sent first', async () => {
    void add('a', { user: 'ann' });
    lanes.flushFor('bob');
    expect(batches()).toEqual([]);
    lanes.flushFor('ann');
    expect(batches()).toEqual(['a']);
    await tick();
    expect(batches()).toEqual(['a']);
  });
});

describe('a refused batch', () => {
  const refused = new BrokerError('publish-refused', 'no');

  test('is sent again message by message, in order, each with the options of its sender', async () => {
    const results = [add('a'), add('b', { user: 'bob', shard: 't' }), add('c')];
    await tick();
    published[0]!.confirm.reject(refused);
    await tick();
    expect(batches()).toEqual(['a b c', 'a', 'b', 'c']);
    expect(published.map(({ options }) => options.user)).toEqual([undefined, 'ann', 'bob', 'ann']);
    expect(published[2]!.route.key).toBe('t');
    expect(published.map(isMarkedResent)).toEqual([false, true, true, true]);
    published[1]!.confirm.resolve();
    published[2]!.confirm.reject(new BrokerError('unacceptable-message', 'too large'));
    published[3]!.confirm.resolve();
    expect(await Promise.all(results)).toEqual(['done', 'unacceptable-message', 'done']);
  });

  test('of one message is refused', async () => {
    const result = add('a');
    await tick();
    published[0]!.confirm.reject(refused);
    expect(await result).toBe('publish-refused');
    expect(published).toHaveLength(1);
  });

  test.each(['broker-unavailable', 'access-refused', 'exchange-not-found'] as const)(
    'for a reason that all messages share (%s) is not sent again',
    async (code) => {
      const results = [add('a'), add('b')];
      await tick();
      published[0]!.confirm.reject(new BrokerError(code, 'no'));
      expect(await Promise.all(results)).toEqual([code, code]);
      expect(published).toHaveLength(1);
    },
  );
});

test('messages count until they are settled, and their bytes until they are sent', async () => {
  void add('a');
  void add('b');
  expect([lanes.count, lanes.bytes]).toEqual([2, 200]);
  await tick();
  expect([lanes.count, lanes.bytes]).toEqual([2, 0]);
  published[0]!.confirm.resolve();
  await tick();
  expect([lanes.count, lanes.bytes, rooms]).toEqual([0, 0, 1]);
});
