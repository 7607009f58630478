import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import type { Message, RelayError as Refusal, SubscriptionState } from '../../../client-sdk/src/core/index.js';
import { open, openConnected, settled } from './open-client.js';

afterEach(() => void jest.useRealTimers());

const fakeTime = () => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });

describe('sharing', () => {
  test('one destination leads to one SUBSCRIBE, with the destination as its id', async () => {
    const { client, socket } = await openConnected();
    const seen: string[] = [];
    const listener = (name: string) => (message: Message) => seen.push(`${name} ${message.body}`);
    const one = client.subscribe('/topic/a', listener('one'));
    const two = client.subscribe('/topic/a', listener('two'), { decode: ({ body }) => body });
    client.subscribe('/topic/a', listener('acking'), { ack: 'client' });
    client.subscribe('/topic/a', listener('acking too'), { ack: 'client' });
    client.subscribe('/topic/a', listener('other'), { headers: { selector: 'x' } });
    await settled();
    expect(socket.seen('SUBSCRIBE').map(({ headers }) => [headers['id'], headers['ack'], headers['selector']])).toEqual(
      [
        ['/topic/a', undefined, undefined],
        ['/topic/a#2', 'client', undefined],
        ['/topic/a#3', 'client', undefined],
        ['/topic/a#4', undefined, 'x'],
      ],
    );
    socket.deliver('/topic/a', 'x');
    one.unsubscribe();
    socket.deliver('/topic/a', 'y');
    expect(seen).toEqual(['one x', 'two x', 'two y']);
    expect(socket.seen('UNSUBSCRIBE')).toEqual([]);
    two.unsubscribe();
    two.unsubscribe();
    expect(socket.seen('UNSUBSCRIBE').map(({ headers }) => headers['id'])).toEqual(['/topic/a']);
  });

  test('a thousand on one destination make one SUBSCRIBE, a thousand on different ones a thousand, and none is left', async () => {
    const { client, socket, relay } = await openConnected();
    const shared = Array.from({ length: 1_000 }, () => client.subscribe('/topic/a', () => {}));
    const own = Array.from({ length: 1_000 }, (_, n) => client.subscribe(`/topic/${n}`, () => {}));
    await settled();
    expect(socket.seen('SUBSCRIBE')).toHaveLength(1_001);
    for (const subscription of [...shared, ...own]) subscription.unsubscribe();
    expect(socket.seen('UNSUBSCRIBE')).toHaveLength(1_001);
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await client.connect();
    await settled();
    expect(next.seen('SUBSCRIBE')).toEqual([]);
  });

  test('a later subscription has the current state', async () => {
    const { client, socket } = await openConnected();
    const first = client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    await first.ready;
    expect(client.subscribe('/topic/a', () => {}).state).toEqual({ name: 'subscribed', mayHaveMissed: false });
  });

  test('unsubscribing ends one of several, and notifies its listeners', async () => {
    const { client, socket } = await openConnected();
    const [one, two] = [client.subscribe('/topic/a', () => {}), client.subscribe('/topic/a', () => {})];
    const seenStates: [string, SubscriptionState['name']][] = [];
    one.onState(({ name }) => seenStates.push(['one', name]));
    two.onState(({ name }) => seenStates.push(['two', name]));
    one.unsubscribe();
    await socket.acknowledge('SUBSCRIBE');
    await two.ready;
    expect(seenStates).toEqual([
      ['one', 'ended'],
      ['two', 'subscribed'],
    ]);
    expect([one.state.name, two.state.name]).toEqual(['ended', 'subscribed']);
  });

  test('a subscription that ends before its receipt rejects', async () => {
    const { client, socket } = await openConnected();
    const subscription = client.subscribe('/topic/a', () => {});
    const { ready } = subscription;
    subscription.unsubscribe();
    await expect(ready).rejects.toMatchObject({ code: 'closed' });
    await socket.acknowledge('SUBSCRIBE');
    expect(subscription.state).toEqual({ name: 'ended' });
  });
});

describe('on a new connection', () => {
  test('all are set up again, and report that messages may be missed', async () => {
    const { client, socket, relay } = await openConnected();
    const states: SubscriptionState[] = [];
    const subscription = client.subscribe('/topic/a', () => {}, { headers: { selector: 'x' } });
    subscription.onState((state) => states.push(state));
    await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    socket.end(1012);
    const next = await relay.socket(1);
    await next.connect();
    const { headers } = await next.acknowledge('SUBSCRIBE');
    await subscription.ready;
    expect(headers).toMatchObject({ id: '/topic/a', selector: 'x' });
    expect(states).toEqual([
      { name: 'subscribed', mayHaveMissed: false },
      { name: 'subscribing' },
      { name: 'subscribed', mayHaveMissed: true },
    ]);
  });

  test('a message that was published twice for lack of an answer is delivered once', async () => {
    const { client, socket, relay } = await openConnected();
    const bodies: string[] = [];
    client.subscribe('/topic/a', ({ body }) => bodies.push(body));
    await socket.acknowledge('SUBSCRIBE');
    socket.deliver('/topic/a', 'x', { 'idempotency-key': '1' });
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    next.deliver('/topic/a', 'x', { 'idempotency-key': '1' });
    next.deliver('/topic/a', 'x', { 'idempotency-key': '2' });
    next.deliver('/topic/a', 'x');
    next.deliver('/topic/a', 'x');
    expect(bodies).toEqual(['x', 'x', 'x', 'x']);
  });

  test('a message that must be acknowledged is delivered each time', async () => {
    const { client, socket } = await openConnected();
    const bodies: string[] = [];
    client.subscribe('/queue/a', ({ body }) => bodies.push(body), { ack: 'client' });
    await socket.acknowledge('SUBSCRIBE');
    for (const ack of ['1', '2']) socket.deliver('/queue/a', 'x', { ack, 'idempotency-key': '1' });
    expect(bodies).toEqual(['x', 'x']);
  });

  test('a closed client sets them up again on `connect`; until then `ready` rejects', async () => {
    const { client, socket, relay } = await openConnected();
    const subscription = client.subscribe('/topic/a', () => {});
    const { ready } = subscription;
    const closing = client.close();
    await expect(ready).rejects.toMatchObject({ code: 'closed' });
    await socket.acknowledge('DISCONNECT');
    await closing;
    expect(subscription.state).toEqual({ name: 'subscribing' });
    void client.connect();
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    await subscription.ready;
  });
});

describe('a refusal', () => {
  test('in a report goes to onError and ends the subscription, which is not set up again', async () => {
    const { client, socket, relay } = await openConnected();
    const errors: Refusal[] = [];
    const bad = client.subscribe('/topic/a', () => {}, { onError: (error) => errors.push(error) });
    const error = new RelayError('access-denied', 'Not there.');
    const refused = expect(bad.ready).rejects.toEqual(error);
    socket.report(await socket.frame('SUBSCRIBE'), 'access-denied', 'Not there.');
    await refused;
    expect([bad.state, errors]).toEqual([{ name: 'refused', error }, [error]]);
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await client.connect();
    await settled();
    expect(next.seen('SUBSCRIBE')).toEqual([]);
    client.subscribe('/topic/a', () => {});
    await next.acknowledge('SUBSCRIBE');
  });

  test('does not affect a later subscription when the refused one is unsubscribed', async () => {
    const { client, socket, relay } = await openConnected({ onError: () => {} });
    const refused = client.subscribe('/topic/a', () => {});
    socket.report(await socket.frame('SUBSCRIBE'), 'access-denied', 'Not there.');
    await settled();
    client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE', 1);
    refused.unsubscribe();
    expect(socket.seen('UNSUBSCRIBE')).toEqual([]);
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
  });

  test('in an ERROR that names the receipt ends one subscription, and the others are set up again', async () => {
    const { client, socket, relay } = await openConnected({ onError: () => {} });
    client.subscribe('/topic/good', () => {});
    await socket.acknowledge('SUBSCRIBE');
    const bad = client.subscribe('/nowhere', () => {});
    const frame = await socket.frame('SUBSCRIBE', 1);
    const receipt = { 'receipt-id': frame.headers['receipt'] ?? '' };
    socket.sendFrame(
      'ERROR',
      { code: 'invalid-destination', message: 'invalid destination', ...receipt },
      'No such kind.',
    );
    socket.end(4400);
    await expect(bad.ready).rejects.toMatchObject({ code: 'invalid-destination' });
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    expect(next.seen('SUBSCRIBE').map(({ headers }) => headers['id'])).toEqual(['/topic/good']);
  });

  test('may come after the subscription was set up, as when its user loses a permission', async () => {
    const { client, socket } = await openConnected({ onError: () => {} });
    const subscription = client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    const lost = { code: 'access-denied', 'refused-command': 'SUBSCRIBE', 'refused-id': '/topic/a' };
    socket.notice('errors', lost, 'Not any more.');
    expect(subscription.state).toMatchObject({ name: 'refused', error: { code: 'access-denied' } });
  });

  test('goes to the onError of the client if the subscription has none', async () => {
    const errors: Refusal[] = [];
    const { client, socket } = await openConnected({ onError: (error) => errors.push(error) });
    client.subscribe('/topic/a', () => {});
    socket.report(await socket.frame('SUBSCRIBE'), 'access-denied', 'Not there.');
    await settled();
    expect(errors.map(({ code }) => code)).toEqual(['access-denied']);
  });

  test.each([
    ['before', 'broker-unavailable'],
    ['before', 'queue-in-use'],
    ['after', 'authentication-unavailable'],
    ['after', 'subscription-ended'],
  ])('that may pass, %s the set-up (%s), leads to a retry after a pause', async (moment, code) => {
    const { client, socket } = await openConnected();
    fakeTime();
    const subscription = client.subscribe('/topic/a', () => {});
    if (moment === 'before') {
      socket.report(await socket.frame('SUBSCRIBE'), code, 'Later.');
    } else {
      await socket.acknowledge('SUBSCRIBE');
      await subscription.ready;
      const away = { code, 'refused-command': 'SUBSCRIBE', 'refused-id': '/topic/a' };
      socket.notice('errors', away, 'Later.');
    }
    await settled();
    expect(subscription.state).toEqual({ name: 'subscribing', reason: new RelayError(code, 'Later.') });
    expect(client.state.name).toBe('connected');
    await jest.advanceTimersByTimeAsync(4_000);
    await socket.acknowledge('SUBSCRIBE', 1);
    await subscription.ready;
    expect(subscription.state.name).toBe('subscribed');
  });

  test('again and again leads to longer pauses, up to 16 s', async () => {
    const { client, socket } = await openConnected();
    fakeTime();
    client.subscribe('/queue/held', () => {});
    const pausesMs: number[] = [];
    for (let n = 0; n < 5; n++) {
      const since = Date.now();
      while (socket.seen('SUBSCRIBE').length <= n) await jest.advanceTimersByTimeAsync(100);
      pausesMs.push(Date.now() - since);
      socket.report(socket.seen('SUBSCRIBE')[n]!, 'queue-in-use', 'Later.');
      await settled();
    }
    const atLeast = [0, 2_000, 4_000, 8_000, 8_000];
    for (const [n, pauseMs] of pausesMs.slice(1).entries()) {
      expect(pauseMs).toBeGreaterThanOrEqual(atLeast[n + 1]!);
      expect(pauseMs).toBeLessThanOrEqual(2 * atLeast[n + 1]! + 100);
    }
  });

  test('by timeout leads to a retry of SUBSCRIBE', async () => {
    const { client, socket } = await openConnected({ receiptTimeoutMs: 5_000 });
    fakeTime();
    const { ready } = client.subscribe('/topic/a', () => {});
    await socket.frame('SUBSCRIBE');
    await jest.advanceTimersByTimeAsync(5_000 + 4_000);
    await socket.acknowledge('SUBSCRIBE', 1);
    await ready;
  });

  test('leads to no retry after unsubscribe', async () => {
    const { client, socket } = await openConnected();
    fakeTime();
    const subscription = client.subscribe('/topic/a', () => {});
    socket.report(await socket.frame('SUBSCRIBE'), 'broker-unavailable', 'Later.');
    await settled();
    subscription.unsubscribe();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(socket.seen('SUBSCRIBE')).toHaveLength(1);
  });
});

describe('delivering', () => {
  test('each subscriber has its own decoder; a message that fails to decode goes to onError and is skipped', async () => {
    const { client, socket } = await openConnected();
    const seen: unknown[] = [];
    const errors: string[] = [];
    client.subscribe('/topic/a', ({ data }) => seen.push(data));
    client.subscribe('/topic/a', ({ data }) => seen.push(data), {
      decode: ({ body }) => {
        if (body === '2') throw new Error('two');
        return `decoded ${body}`;
      },
      onError: ({ code, message }) => errors.push(`${code}: ${message}`),
    });
    await socket.acknowledge('SUBSCRIBE');
    socket.deliver('/topic/a', '1');
    socket.deliver('/topic/a', '2');
    expect(seen).toEqual([1, 'decoded 1', 2]);
    expect(errors).toEqual(['decode-failed: A message from /topic/a cannot be decoded: two']);
  });

  test('all listeners get the message even if one throws', async () => {
    const { client, socket } = await openConnected();
    fakeTime();
    const seen: string[] = [];
    client.subscribe('/topic/a', () => {
      throw new Error('mine');
    });
    client.subscribe('/topic/a', ({ body }) => seen.push(body));
    await socket.frame('SUBSCRIBE');
    socket.deliver('/topic/a', 'x');
    expect(seen).toEqual(['x']);
    expect(() => jest.runAllTimers()).toThrow('mine');
    jest.clearAllTimers();
  });

  test('a subscription is ready once it is sent if the server has no receipts', async () => {
    const { client, socket } = await openConnected({ receipts: false });
    const { ready } = client.subscribe('/topic/a', () => {});
    await ready;
    expect(socket.seen('SUBSCRIBE')[0]?.headers['receipt']).toBeUndefined();
  });

  test('subscribing connects', async () => {
    const { client, relay } = open();
    const { ready } = client.subscribe('/topic/a', () => {});
    const socket = await relay.socket(0);
    await socket.connect();
    await socket.acknowledge('SUBSCRIBE');
    await ready;
  });
});
