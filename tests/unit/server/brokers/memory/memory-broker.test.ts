import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBroker } from '../../../../../server/src/brokers/memory/memory-broker.js';
import type { MemoryOptions } from '../../../../../server/src/brokers/memory/memory-options.js';
import { createConfig } from '../../../../../server/src/config.js';
import { BrokerDesk, messageOf, textOf } from '../../../../../server/src/contract/broker-desk.js';
import { publishTo } from '../../../../../server/src/contract/publish-to.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';

const { memory, topicExchange, topics, queues } = createConfig();
const desks: BrokerDesk[] = [];

async function deskOf(options: Partial<MemoryOptions> = {}): Promise<BrokerDesk> {
  const broker = new MemoryBroker({ ...memory, topicExchange, topics, queueArguments: queues.arguments, ...options });
  await broker.start();
  const desk = new BrokerDesk(broker);
  desks.push(desk);
  return desk;
}

afterEach(async () => {
  for (const desk of desks.splice(0)) {
    await desk.close();
    await desk.broker.close();
  }
});

describe('delivery', () => {
  test('a listener and a waiting consumer have the message when publish returns', async () => {
    const desk = await deskOf();
    const listener = await desk.listen('/topic/t');
    const { inbox } = await desk.channel().consume('/queue/q');
    void desk.send('/topic/t', 'one');
    void desk.send('/queue/q', 'two');
    await Promise.resolve();
    expect([listener.inbox.all.length, inbox.all.length]).toEqual([1, 1]);
  });

  test('a long queue is delivered in several turns of the event loop', async () => {
    const desk = await deskOf();
    for (let i = 0; i < 1_000; i++) await desk.send('/queue/q', String(i));
    const counts: number[] = [];
    const { inbox, bodies } = await desk.channel().consume('/queue/q', { headers: { 'prefetch-count': '5000' } });
    while (inbox.all.length < 1_000) {
      await new Promise(setImmediate);
      counts.push(inbox.all.length);
    }
    expect(counts.length).toBeGreaterThan(3);
    expect(await bodies(1_000)).toEqual(Array.from({ length: 1_000 }, (_, i) => String(i)));
  });
});

describe('exchanges', () => {
  test('configured exchanges exist, and the topic exchange may be one of them', async () => {
    const desk = await deskOf({ exchanges: [{ name: 'news', type: 'fanout' }], topicExchange: 'my.topics' });
    const news = await desk.listen('/exchange/news');
    const topic = await desk.listen('/topic/a/*');
    await desk.send('/exchange/news/k', 'to all');
    await desk.send('/exchange/my.topics/a.b', 'by key');
    expect(await news.bodies(1)).toEqual(['to all']);
    expect((await topic.inbox.next()).message.origin).toEqual({ kind: 'topic', key: 'a.b' });
  });

  test('an error names a missing exchange and the existing ones', async () => {
    const desk = await deskOf();
    await expect(desk.send('/exchange/nowhere', 'x')).rejects.toThrow(/no exchange "nowhere".*amq\.topic, amq\.direct/);
  });

  test('a queue with two matching bindings gets a message once', async () => {
    const desk = await deskOf();
    const channel = desk.channel();
    const headers = { 'x-queue-name': 'shared' };
    const { bodies } = await channel.consume('/topic/a.*', { headers, id: '1' });
    const other = await channel.consume('/topic/*.b', { headers, id: '2' });
    await other.subscription.close();
    await desk.send('/topic/a.b', 'once');
    await desk.send('/topic/x.b', 'end');
    expect(await bodies(2)).toEqual(['once', 'end']);
  });
});

describe('limits', () => {
  test('messagesMaxBytes: a message that does not fit is refused, and reaches no receiver', async () => {
    const desk = await deskOf({ messagesMaxBytes: 10_000 });
    const body = 'x'.repeat(4_000);
    const { bodies } = await desk.listen('/topic/t');
    const own = await desk.channel().consume('/topic/t', { headers: { 'prefetch-count': '1' } });
    await desk.send('/queue/q', body);
    await desk.send('/topic/t', body);
    expect(await bodies(1)).toEqual([body]);
    const full = expect.objectContaining({ code: 'publish-refused', message: expect.stringMatching(/10000/) });
    await expect(desk.send('/topic/t', body)).rejects.toEqual(full);
    await expect(desk.send('/queue/q', body)).rejects.toEqual(full);
    expect(await own.bodies(1)).toEqual([body]);
    await desk.send('/topic/t', 'fits again');
    expect(await bodies(1)).toEqual(['fits again']);
  });

  test('every end of a message frees its memory', async () => {
    const desk = await deskOf({ messagesMaxBytes: 5_000 });
    const body = 'x'.repeat(3_000);
    const channel = desk.channel();
    const { inbox } = await channel.consume('/queue/q', { headers: { 'x-max-length': '1' } });
    for (const outcome of ['ack', 'drop', 'ack', 'drop'] as const) {
      await desk.send('/queue/q', body);
      (await inbox.next()).settle(outcome);
    }
    await channel.close();
    for (let i = 0; i < 3; i++) {
      await desk.send('/queue/q', 'small');
      await desk.send('/queue/expired', body, { 'x-message-ttl': '0' });
      const passing = desk.channel();
      await passing.consume('/topic/t');
      await desk.send('/topic/t', body);
      await passing.close();
    }
    await desk.send('/queue/other', body);
  });

  test('one queue drops its oldest messages beyond queueMaxBytes', async () => {
    const desk = await deskOf({ queueMaxBytes: 25 });
    for (const body of ['1234567890', 'abcdefghij', 'ABCDEFGHIJ']) await desk.send('/queue/q', body);
    const { bodies } = await desk.channel().consume('/queue/q');
    expect(await bodies(2)).toEqual(['abcdefghij', 'ABCDEFGHIJ']);
  });

  test('queuesMax bounds the number of queues', async () => {
    const desk = await deskOf({ queuesMax: 2 });
    await desk.send('/queue/1', 'x');
    await desk.send('/queue/2', 'x');
    await expect(desk.send('/queue/3', 'x')).rejects.toMatchObject({
      code: 'too-many-queues',
      message: expect.stringMatching(/queuesMax \(2\)/),
    });
    await desk.send('/queue/1', 'y');
  });
});

describe('the share of stored bytes', () => {
  const BODY = 'x'.repeat(1_000);
  const send = (desk: BrokerDesk, to: string, account: string) =>
    publishTo(desk.broker, parseDestination(to, 'send'), messageOf(BODY), { mandatory: false, account });

  async function refusals(times: number, act: () => Promise<void>): Promise<number> {
    let count = 0;
    for (let i = 0; i < times; i++) await act().catch(() => count++);
    return count;
  }

  test('counts a message to /queue for its sender', async () => {
    const desk = await deskOf({ messagesMaxBytes: 40_000 });
    expect(await refusals(40, () => send(desk, '/queue/q', 'user:flood'))).toBeGreaterThan(20);
    await expect(send(desk, '/queue/q', 'user:flood')).rejects.toMatchObject({
      code: 'publish-refused',
      message: expect.stringContaining('memory.messagesMaxBytes (40000)'),
    });
    await send(desk, '/queue/q', 'user:other');
  });

  test('counts a message to a bound queue for the maker of the queue, which loses its oldest messages', async () => {
    const desk = await deskOf({ messagesMaxBytes: 40_000 });
    const owner = { sessionId: 's', user: 'idle', clientId: undefined, account: 'user:idle' };
    const channel = desk.broker.openChannel!(owner);
    const consume = (id: string) =>
      channel.consume(
        parseDestination('/topic/t', 'subscribe'),
        { ack: 'client', headers: new Map([['durable', 'true']]), subscriptionId: id },
        { deliver: () => undefined, ended: () => undefined },
      );
    await (await consume('a')).close();
    expect(await refusals(100, () => send(desk, '/topic/t', 'user:sender'))).toBe(0);
    expect(await refusals(5, () => send(desk, '/queue/q', 'user:sender'))).toBe(0);
    await channel.close();
  });

  test('does not end a dead letter', async () => {
    const desk = await deskOf({ messagesMaxBytes: 40_000 });
    const to = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
    await desk.send('/queue/dead', 'first');
    const { inbox } = await desk.channel().consume('/queue/rejected', { headers: to });
    const dead = await desk.channel().consume('/queue/dead');
    expect(textOf((await dead.inbox.next()).message)).toBe('first');
    const message = messageOf(BODY, to);
    const destination = parseDestination('/queue/rejected', 'send');
    for (let i = 0; i < 8; i++) {
      await publishTo(desk.broker, destination, message, { mandatory: false, account: 'user:a' });
    }
    for (let i = 0; i < 8; i++) await send(desk, '/queue/full', 'user:b').catch(() => undefined);
    for (const delivery of await inbox.take(8)) delivery.settle('drop');
    expect(await dead.inbox.take(8)).toHaveLength(8);
  });
});

describe('an unused queue', () => {
  test('is deleted after unusedQueueExpiresMs; each SEND and a consumer keep it', async () => {
    jest.useFakeTimers({ now: 1_000, doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    try {
      const desk = await deskOf({ unusedQueueExpiresMs: 1_000 });
      const isThere = async (queue: string) => {
        const sent = desk.send(`/amq/queue/${queue}`, 'x', {}, true);
        return sent.then(
          () => true,
          () => false,
        );
      };
      await desk.send('/queue/used', '1');
      await desk.send('/queue/unused', '1');
      const consumed = await desk.channel().consume('/queue/consumed');
      jest.advanceTimersByTime(900);
      await desk.send('/queue/used', '2');
      jest.advanceTimersByTime(900);
      expect([await isThere('used'), await isThere('unused'), await isThere('consumed')]).toEqual([true, false, true]);
      await consumed.subscription.close();
      jest.advanceTimersByTime(1_100);
      expect([await isThere('used'), await isThere('consumed')]).toEqual([false, false]);
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('dead letters', () => {
  test('that multiply stay within the memory limit, and each turn handles few', async () => {
    const queueArguments = { ...queues.arguments, boundDeadLetters: true };
    const desk = await deskOf({ messagesMaxBytes: 100_000, queueArguments });
    const headers = { 'x-message-ttl': '0', 'x-dead-letter-exchange': 'amq.fanout', 'prefetch-count': '1' };
    for (let i = 0; i < 12; i++) await desk.channel().consume(`/exchange/amq.fanout/${i}`, { ack: 'client', headers });
    await desk.send('/exchange/amq.fanout', 'taken by the consumers');
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now++);
    const turns = jest.spyOn(global, 'setImmediate');
    try {
      await desk.send('/exchange/amq.fanout', 'multiplies');
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve));
      // Without the limit, 12 factorial of them would be in flight by now
      expect(turns.mock.calls.length).toBeLessThan(10_000);
    } finally {
      turns.mockRestore();
      clock.mockRestore();
    }
  });

  test('do not circulate', async () => {
    const desk = await deskOf();
    const headers = { 'x-message-ttl': '0', 'x-dead-letter-exchange': '' };
    await desk.send('/queue/b', 'x', { ...headers, 'x-dead-letter-routing-key': 'a' });
    await desk.send('/queue/a', 'circle', { ...headers, 'x-dead-letter-routing-key': 'b' });
    for (let i = 0; i < 10; i++) await new Promise(setImmediate);
    const { inbox } = await desk.channel().consume('/queue/a');
    await desk.send('/queue/a', 'new');
    expect(textOf((await inbox.next()).message)).toBe('new');
    expect(inbox.all).toHaveLength(1);
  });

  test('end after 16 queues, however many follow', async () => {
    const desk = await deskOf();
    const listener = await desk.listen('/topic/dead');
    const passOn = (from: number, exchange: string, key: string) => {
      const dead = { 'x-dead-letter-exchange': exchange, 'x-dead-letter-routing-key': key };
      return desk.send(`/queue/${from}`, `from ${from}`, { ...dead, 'x-message-ttl': '0' });
    };
    await passOn(0, 'amq.topic', 'dead');
    expect(await listener.bodies(1)).toEqual(['from 0']);
    for (let from = 1; from <= 20; from++) await passOn(from, '', String(from - 1));
    // Queue 15 is the first of 16, down to queue 0
    expect(await listener.bodies(15)).toEqual(Array.from({ length: 15 }, (_, index) => `from ${index + 1}`));
    await desk.send('/queue/0', 'last');
    expect(await listener.bodies(1)).toEqual(['last']);
  });

  test('that consumers reject continue without a limit', async () => {
    const desk = await deskOf();
    const headers = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'again' };
    const { inbox } = await desk.channel().consume('/queue/again', { headers });
    await desk.send('/queue/again', 'x');
    for (let i = 0; i < 20; i++) (await inbox.next()).settle('drop');
    (await inbox.next()).settle('ack');
  });

  test('x-overflow:reject-publish-dlx refuses and dead-letters', async () => {
    const desk = await deskOf();
    const dead = await desk.listen('/exchange/amq.direct/dead');
    const headers = {
      'x-max-length': '0',
      'x-overflow': 'reject-publish-dlx',
      'x-dead-letter-exchange': 'amq.direct',
      'x-dead-letter-routing-key': 'dead',
    };
    await expect(desk.send('/queue/q', 'refused', headers)).rejects.toMatchObject({ code: 'publish-refused' });
    expect(await dead.bodies(1)).toEqual(['refused']);
  });

  test('vanish if their exchange does not exist', async () => {
    const desk = await deskOf();
    const headers = { 'x-dead-letter-exchange': 'nowhere', 'prefetch-count': '1' };
    const { inbox } = await desk.channel().consume('/queue/q', { headers });
    await desk.send('/queue/q', 'lost');
    await desk.send('/queue/q', 'next');
    (await inbox.next()).settle('drop');
    expect(textOf((await inbox.next()).message)).toBe('next');
  });
});

describe('time', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('a message expires at its TTL, not before', async () => {
    const desk = await deskOf();
    const dead = await desk.listen('/exchange/amq.direct/dead');
    const headers = {
      'x-dead-letter-exchange': 'amq.direct',
      'x-dead-letter-routing-key': 'dead',
      'x-message-ttl': '1000',
    };
    await desk.send('/queue/q', 'slow', headers);
    await jest.advanceTimersByTimeAsync(400);
    await desk.send('/queue/q', 'slower', headers);
    await desk.send('/queue/q', 'short', { ...headers, expiration: '10' });
    await jest.advanceTimersByTimeAsync(599);
    expect(dead.inbox.all).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(2);
    expect(dead.inbox.all.map(({ message }) => textOf(message))).toEqual(['slow']);
    await jest.advanceTimersByTimeAsync(400);
    expect(dead.inbox.all.map(({ message }) => textOf(message))).toEqual(['slow', 'slower', 'short']);
  });

  test('a message with a TTL of 0 only reaches waiting consumers', async () => {
    const desk = await deskOf();
    const headers = { 'x-message-ttl': '0', 'prefetch-count': '1' };
    const { inbox } = await desk.channel().consume('/queue/q', { headers });
    await desk.send('/queue/q', 'taken');
    await desk.send('/queue/q', 'expired');
    inbox.all[0]!.settle('ack');
    await jest.advanceTimersByTimeAsync(5);
    await desk.send('/queue/q', 'taken too');
    expect(inbox.all.map(({ message }) => textOf(message))).toEqual(['taken', 'taken too']);
  });

  test('x-expires counts from the last use, and not while the queue has a consumer', async () => {
    const desk = await deskOf();
    const headers = { 'x-expires': '1000' };
    const exists = () =>
      desk.send('/amq/queue/q', 'x', {}, true).then(
        () => true,
        () => false,
      );
    await desk.send('/queue/q', 'x', headers);
    await jest.advanceTimersByTimeAsync(900);
    await desk.send('/queue/q', 'x', headers);
    await jest.advanceTimersByTimeAsync(900);
    const { subscription } = await desk.channel().consume('/queue/q');
    await jest.advanceTimersByTimeAsync(5_000);
    expect(await exists()).toBe(true);
    await subscription.close();
    await jest.advanceTimersByTimeAsync(999);
    expect(await exists()).toBe(true);
    await jest.advanceTimersByTimeAsync(2);
    expect(await exists()).toBe(false);
  });

  test('x-expires may exceed the longest timer of Node', async () => {
    const desk = await deskOf();
    const days = 24 * 60 * 60 * 1000;
    const exists = () =>
      desk.send('/amq/queue/q', 'x', {}, true).then(
        () => true,
        () => false,
      );
    await desk.send('/queue/q', 'x', { 'x-expires': String(40 * days) });
    await jest.advanceTimersByTimeAsync(39 * days);
    expect(await exists()).toBe(true);
    await jest.advanceTimersByTimeAsync(2 * days);
    expect(await exists()).toBe(false);
  });

  test('no timer runs after the broker has closed', async () => {
    const desk = await deskOf();
    await desk.send('/queue/q', 'x', { 'x-expires': '1000', 'x-message-ttl': '500' });
    await desk.channel().consume('/queue/r');
    await desk.broker.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});
