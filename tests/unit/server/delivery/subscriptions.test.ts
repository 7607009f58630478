import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { SharedDestination } from '../../../../server/src/brokers/broker.js';
import { createSubscriptionPots } from '../../../../server/src/delivery/subscription-pots.js';
import { Subscriptions } from '../../../../server/src/delivery/subscriptions.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, pass, tick, useFakeTime } from '../session/harness.js';

const topic = (key: string) => parseDestination(`/topic/${key}`, 'subscribe') as SharedDestination;

const potsOf = (subscriptionsMax = 1_000, patternsMax = 1_000) =>
  createSubscriptionPots(new SharedPots(), { subscriptionsMax, patternsMax });

describe('Subscriptions', () => {
  test('a key is reserved before the request to the broker, and free after UNSUBSCRIBE', () => {
    const subscriptions = new Subscriptions({ subscriptionsMax: 2, wildcardSubscriptionsMax: 2 }, potsOf(), {});
    subscriptions.reserve('a', topic('a'));
    expect(() => subscriptions.reserve('a', topic('a'))).toThrow('The subscription "a" exists');
    expect(() => subscriptions.take('a')).toThrow('no subscription "a"');
    expect(subscriptions.has('a')).toBe(false);
    subscriptions.set('a', { kind: 'shared', group: {} as never });
    expect(subscriptions.has('a')).toBe(true);
    expect(subscriptions.all()).toHaveLength(1);
    subscriptions.take('a');
    subscriptions.reserve('a', topic('a'));
    subscriptions.reserve('b', topic('b'));
    expect(() => subscriptions.reserve('c', topic('c'))).toThrow('at most session.subscriptionsMax (2) subscriptions');
    expect(subscriptions.size).toBe(2);
  });

  test('subscriptions with wildcards have a separate limit, and UNSUBSCRIBE frees a place', () => {
    const subscriptions = new Subscriptions({ subscriptionsMax: 10, wildcardSubscriptionsMax: 2 }, potsOf(), {});
    const add = (key: string): void => {
      subscriptions.reserve(key, topic(key));
      subscriptions.set(key, { kind: 'shared', group: { destination: topic(key) } as never });
    };
    for (const key of ['a.b', 'a.*', '#', 'b*', '##']) add(key);
    expect(() => add('b.#')).toThrow('at most session.wildcardSubscriptionsMax (2)');
    add('c');
    subscriptions.take('#');
    add('b.#');
    expect(() => add('*.b')).toThrow('at most session.wildcardSubscriptionsMax (2)');
  });
});

describe('the pots of subscriptions', () => {
  const LIMITS = { subscriptionsMax: 100, wildcardSubscriptionsMax: 100 };

  test('count each subscription from its reservation to its end, or to that of the session', () => {
    const pots = potsOf();
    const subscriptions = new Subscriptions(LIMITS, pots, { account: 'user:a' });
    subscriptions.reserve('a', topic('a'));
    subscriptions.reserve('b', topic('b.*'), true);
    subscriptions.reserve('c', topic('c.*'), false);
    expect([pots.subscriptions.used, pots.patterns.used]).toEqual([3, 1]);
    subscriptions.release('a');
    subscriptions.set('b', { kind: 'shared', group: {} as never });
    subscriptions.release('b'); // is no longer reserved
    expect([pots.subscriptions.used, pots.patterns.used]).toEqual([2, 1]);
    subscriptions.take('b');
    expect([pots.subscriptions.used, pots.patterns.used]).toEqual([1, 0]);
    subscriptions.close();
    subscriptions.release('c');
    subscriptions.set('c', { kind: 'shared', group: {} as never });
    expect([pots.subscriptions.used, subscriptions.size]).toEqual([0, 0]);
  });

  test('refuse an account beyond its share, and take nothing then', () => {
    const pots = potsOf(4, 2);
    const [a, b] = ['user:a', 'user:b'].map((account) => new Subscriptions(LIMITS, pots, { account }));
    a!.reserve('1', topic('1.*'), true);
    expect(() => a!.reserve('2', topic('2.*'), true)).toThrow('limits.patternsMax (2)');
    a!.reserve('2', topic('2'));
    expect(() => a!.reserve('3', topic('3'))).toThrow('limits.subscriptionsMax (4)');
    b!.reserve('1', topic('1.*'), true);
    expect([pots.subscriptions.used, pots.patterns.used]).toEqual([3, 2]);
  });
});

describe('DedicatedSubscription', () => {
  let harness: Harness;
  let client: MemoryConnection;
  beforeEach(async () => {
    useFakeTime();
    harness = new Harness();
    client = await harness.connect();
  });
  afterEach(async () => {
    expect(await harness.leftovers()).toEqual([]);
    jest.useRealTimers();
  });

  async function subscribe(ack: string) {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', ack });
    await tick();
    return harness.broker.consumer('/queue/q');
  }
  /** A body that congests the outbox: more than half of outboxMaxBytes. */
  const large = 'x'.repeat(6_000);

  test.each(['auto', 'client'])(
    'ack:%s: a message for another session of the user is settled and not written',
    async (ack) => {
      client.sendFrame('SUBSCRIBE', { id: 's', destination: '/user/queue/r', ack, 'x-max-length': '9' });
      await tick();
      const queue = harness.broker.consumer('/user/queue/r');
      queue.deliver('another’s', { toSession: 'session-2' });
      queue.deliver('mine', { toSession: 'session-1' });
      queue.deliver('for all');
      expect(client.summary.slice(1)).toEqual(['MESSAGE s mine', 'MESSAGE s for all']);
      expect(harness.broker.settled).toContain('ack another’s');
    },
  );

  test('a queue ignores the target session', async () => {
    const queue = await subscribe('client');
    queue.deliver('x', { toSession: 'session-2' });
    expect(client.summary.slice(1)).toEqual(['MESSAGE s x']);
  });

  test.each(['auto', 'client', 'client-individual'])(
    '%s: a message that is too large is rejected, whether or not the client reads, and the next one reports it',
    async (ack) => {
      const { messageMaxBytes } = harness.options;
      const queue = await subscribe(ack);
      queue.deliver('x'.repeat(messageMaxBytes + 1));
      queue.deliver('x'.repeat(messageMaxBytes - 10));
      client.stall();
      queue.deliver('1');
      queue.deliver(large);
      queue.deliver('x'.repeat(messageMaxBytes - 10));
      queue.deliver('x'.repeat(messageMaxBytes + 1));
      client.take();
      queue.deliver('2');
      const written = client.frames.slice(1).map(({ body, headers }) => [body.length, headers['relay-dropped']]);
      expect(written).toEqual([
        [1, '2'],
        [large.length, undefined],
        [1, '2'],
      ]);
      expect(harness.broker.settled.filter((each) => each.startsWith('drop'))).toHaveLength(4);
      expect(harness.broker.settled.some((each) => each.startsWith('requeue'))).toBe(false);
      expect(harness.counters.messagesTooLarge).toBe(4);
    },
  );

  test('auto over TCP: acknowledged when the kernel has taken the bytes', async () => {
    const queue = await subscribe('auto');
    queue.deliver('1');
    expect(harness.broker.settled).toEqual(['ack 1']);
    client.stall();
    queue.deliver('2');
    expect(client.summary).toContain('MESSAGE s 2');
    expect(harness.broker.settled).toEqual(['ack 1']);
    client.take();
    expect(harness.broker.settled).toEqual(['ack 1', 'ack 2']);
    expect(client.frames.at(-1)?.headers).not.toHaveProperty('ack');
  });

  describe('auto over WebSocket', () => {
    beforeEach(async () => {
      client = await harness.connect({}, { confirmsReads: true });
    });

    test('auto: acknowledged when the client has proven that it received the message', async () => {
      const queue = await subscribe('auto');
      queue.deliver('1');
      queue.deliver('2');
      await tick();
      expect(client.summary.slice(1)).toEqual(['MESSAGE s 1', 'MESSAGE s 2']);
      expect([client.questions, harness.broker.settled]).toEqual([1, []]);
      client.confirm();
      expect(harness.broker.settled).toEqual(['ack 1', 'ack 2']);
    });

    test('auto: without a proof the message returns to the broker when the client vanishes', async () => {
      const queue = await subscribe('auto');
      queue.deliver('1');
      await tick();
      client.vanish();
      await tick();
      expect(harness.broker.settled).toEqual([]);
      expect(harness.broker.openChannels).toEqual([]);
    });

    test('auto: DISCONNECT acknowledges what was written', async () => {
      const queue = await subscribe('auto');
      queue.deliver('1');
      client.sendFrame('DISCONNECT', { receipt: 'r' });
      await tick();
      expect(client.summary.slice(1)).toEqual(['MESSAGE s 1', 'RECEIPT r']);
      expect(harness.broker.settled).toEqual(['ack 1']);
    });

    test('auto: a message from before UNSUBSCRIBE is acknowledged when its proof comes', async () => {
      const queue = await subscribe('auto');
      queue.deliver('1');
      await tick();
      client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r' });
      await tick();
      expect(harness.broker.settled).toEqual([]);
      client.confirm();
      expect(harness.broker.settled).toEqual(['ack 1']);
    });

    test('auto: all subscriptions of a session share the question; messages with acks and topics ask nothing', async () => {
      const queue = await subscribe('auto');
      for (const [id, destination, ack] of [
        ['t', '/queue/r', 'auto'],
        ['c', '/queue/c', 'client'],
        ['live', '/topic/live', 'auto'],
      ] as const) {
        client.sendFrame('SUBSCRIBE', { id, destination, ack });
        await tick();
      }
      harness.broker.consumer('/queue/c').deliver('c');
      client.sendFrame('SEND', { destination: '/topic/live' }, 'live');
      await tick();
      expect(client.questions).toBe(0);
      queue.deliver('1');
      harness.broker.consumer('/queue/r').deliver('2');
      await tick();
      expect(client.questions).toBe(1);
      client.confirm();
      expect(harness.broker.settled).toEqual(['ack 1', 'ack 2']);
    });

    test('auto: a client that reads nothing is ended although the queue delivers no more', async () => {
      const queue = await subscribe('auto');
      client.stall();
      queue.deliver('1');
      await pass(harness.options.outboxStallMs + 100);
      expect(client.summary.at(-1)).toBe('ERROR slow-consumer');
      expect(harness.broker.settled).toEqual([]);
    });
  });

  test('auto over TCP: not acknowledged if the client vanishes before', async () => {
    const queue = await subscribe('auto');
    client.stall();
    queue.deliver('1');
    client.vanish();
    await tick();
    expect(harness.broker.settled).toEqual([]);
    expect(harness.broker.openChannels).toEqual([]);
  });

  test.each(['auto', 'client', 'client-individual'])(
    '%s: deliveries wait while the client does not read',
    async (ack) => {
      const queue = await subscribe(ack);
      client.stall();
      queue.deliver(large);
      for (const body of ['1', '2', '3']) queue.deliver(body);
      expect(client.fresh()).toHaveLength(1);
      client.take();
      expect(client.fresh().map(({ body }) => body.toString())).toEqual(['1', '2', '3']);
      expect(client.closed).toBeUndefined();
    },
  );

  test('waiting deliveries keep their order through repeated congestion', async () => {
    const queue = await subscribe('client');
    client.stall();
    const bodies = [`1${large}`, '2', `3${large}`, '4', '5'];
    for (const body of bodies) queue.deliver(body);
    for (let i = 0; i < 4; i++) {
      client.take();
      client.stall();
    }
    queue.deliver('6');
    client.take();
    expect(client.frames.slice(1).map(({ body }) => body.toString())).toEqual([...bodies, '6']);
  });

  test('a stalled client never holds more than the parking limit, and its session ends', async () => {
    const queue = await subscribe('client');
    client.stall();
    for (let i = 0; i < 100; i++) queue.deliver(large);
    expect(client.bufferedBytes).toBeLessThan(harness.options.outboxMaxBytes);
    await jest.advanceTimersByTimeAsync(harness.options.outboxStallMs + 100);
    expect(client.summary.at(-1)).toBe('ERROR slow-consumer');
    expect(harness.broker.settled.every((each) => each.startsWith('requeue'))).toBe(true);
  });

  describe('deliveries beyond the parking limit', () => {
    /** Two of these congest the outbox, and two more fill the parking limit. */
    const body = (number: number): string => `${number} ${'x'.repeat(3_000)}`;
    const numbers = (): number[] => client.frames.slice(1).map((each) => parseInt(each.body.toString(), 10));
    const requeued = (): number[] =>
      harness.broker.settled
        .filter((each) => each.startsWith('requeue') || each.startsWith('again'))
        .map((each) => parseInt(each.split(' ')[1]!, 10));

    test.each(['auto', 'client'])('%s: are not held, and come again in order when the client reads', async (ack) => {
      const queue = await subscribe(ack);
      client.stall();
      const deliveries = Array.from({ length: 20 }, (_, i) => queue.deliver(body(i)));
      // Two are written, and outboxMaxBytes has room for two more
      expect(numbers()).toEqual([0, 1]);
      expect(requeued()).toEqual([]);
      await pass(5_000);
      expect(requeued()).toEqual([]);

      client.take();
      expect(numbers()).toEqual([0, 1, 2, 3]);
      for (let next = 4; next < 20;) {
        await pass(200);
        expect(requeued().slice(next - 4).length).toBeGreaterThan(0);
        for (const number of requeued().slice(next - 4)) queue.deliver(body(number), { redelivered: true });
        next = 4 + requeued().length;
      }
      expect(numbers()).toEqual(deliveries.map((_, i) => i));
      expect(client.closed).toBeUndefined();
    });

    test('come before new deliveries', async () => {
      const queue = await subscribe('client');
      client.stall();
      for (let i = 0; i < 6; i++) queue.deliver(body(i));
      client.take();
      expect(numbers()).toEqual([0, 1, 2, 3]);
      queue.deliver('6');
      expect(numbers()).toEqual([0, 1, 2, 3]);
      await pass(200);
      expect(requeued()).toEqual([4, 5]);
    });

    test('all subscriptions of a session share the limit', async () => {
      const first = await subscribe('client');
      client.sendFrame('SUBSCRIBE', { id: 't', destination: '/queue/r', ack: 'client' });
      await tick();
      client.stall();
      for (let i = 0; i < 5; i++) first.deliver(body(i));
      const second = harness.broker.consumer('/queue/r');
      second.deliver(body(5));
      client.take();
      expect(numbers()).toEqual([0, 1, 2, 3]);
      await pass(200);
      expect(requeued()).toEqual([4, 5]);
    });

    test('are requeued by UNSUBSCRIBE', async () => {
      const queue = await subscribe('client');
      client.stall();
      for (let i = 0; i < 10; i++) queue.deliver(body(i));
      client.sendFrame('UNSUBSCRIBE', { id: 's' });
      await tick();
      expect(requeued()).toEqual([2, 3, 4, 5, 6, 7, 8, 9]);
      client.take();
      await pass(200);
    });
  });

  test('UNSUBSCRIBE requeues waiting deliveries', async () => {
    const queue = await subscribe('client');
    client.stall();
    queue.deliver(large);
    queue.deliver('waits');
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    await tick();
    expect(harness.broker.settled).toEqual(['requeue waits']);
    queue.deliver('late');
    expect(harness.broker.settled).toEqual(['requeue waits', 'requeue late']);
    client.take();
    expect(client.summary.filter((each) => each.startsWith('MESSAGE'))).toHaveLength(1);
  });

  test('marks redelivered messages', async () => {
    const queue = await subscribe('client');
    queue.deliver('1', { redelivered: true });
    queue.deliver('2');
    expect(client.frames.slice(1).map(({ headers }) => headers['redelivered'])).toEqual(['true', 'false']);
  });

  test('deliveries that come before the broker’s answer are not lost', async () => {
    harness.broker.holds.add('consume');
    const queue = await subscribe('client');
    queue.deliver('early');
    queue.live.grant(queue);
    await tick();
    const [message] = client.fresh();
    expect(message?.body.toString()).toBe('early');
    client.sendFrame('ACK', { id: message?.headers['ack'] ?? '' });
    expect(harness.broker.settled).toEqual(['ack early']);
  });

  test('an end by the broker is an ERROR', async () => {
    const queue = await subscribe('auto');
    queue.end(new BrokerError('subscription-ended', 'The queue was deleted.'));
    expect(client.summary.at(-1)).toBe('ERROR subscription-ended');
    expect(client.closed?.code).toBe(1013);
  });

  test('an end by the broker during UNSUBSCRIBE is no ERROR', async () => {
    harness.broker.holds.add('unsubscribe');
    const queue = await subscribe('auto');
    client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r' });
    await tick();
    queue.end(new BrokerError('subscription-ended', 'The queue was deleted.'));
    queue.unsubscribed.grant();
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'RECEIPT r']);
  });
});
