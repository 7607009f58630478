/** The extension `drain`: a relay that is about to stop is left for another one, and nobody notices. */
import { describe, expect, jest, test } from '@jest/globals';
import type { ClientOptions } from '../../../client-sdk/src/core/index.js';
import { openConnected, settled } from './open-client.js';

async function openMoving(
  options: Partial<ClientOptions> = {},
  before: (opened: Awaited<ReturnType<typeof openConnected>>) => Promise<void> = () => Promise.resolve(),
) {
  const opened = await openConnected(options);
  const { socket: old, relay } = opened;
  await before(opened);
  old.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '5000' });
  const next = await relay.socket(1);
  return { ...opened, old, next };
}

describe('moving', () => {
  test('goes over with its subscriptions first, and then says goodbye to the old relay', async () => {
    const { client, old, next, states } = await openMoving({}, async ({ client, socket }) => {
      client.subscribe('/topic/a', () => {});
      await socket.acknowledge('SUBSCRIBE');
    });
    expect(old.seen('DISCONNECT')).toEqual([]);
    await next.connect();
    const publishing = client.publish('/topic/a', 'x');
    await next.frame('SUBSCRIBE');
    await settled();
    expect([...old.seen('SEND'), ...next.seen('SEND'), ...old.seen('DISCONNECT')]).toEqual([]);
    await next.acknowledge('SUBSCRIBE');
    await next.acknowledge('SEND');
    await publishing;
    await old.acknowledge('DISCONNECT');
    expect(states).toEqual(['connecting', 'connected']);
    expect(old.readyState).toBe(3);
  });

  test('a subscription stays subscribed, gets what both bring once, and goes on when the old one is gone', async () => {
    const bodies: string[] = [];
    const names: string[] = [];
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      const subscription = client.subscribe('/topic/a', ({ body }) => bodies.push(body));
      await socket.acknowledge('SUBSCRIBE');
      await subscription.ready;
      subscription.onState(({ name }) => names.push(name));
    });
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    old.deliver('/topic/a', '1');
    next.deliver('/topic/a', '1');
    next.deliver('/topic/a', '2');
    old.deliver('/topic/a', '2');
    await old.acknowledge('DISCONNECT');
    next.deliver('/topic/a', '2');
    expect(bodies).toEqual(['1', '2', '2']);
    expect(names).toEqual([]);
  });

  test('when the old one is gone, an equal message is a new one', async () => {
    const bodies: string[] = [];
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      client.subscribe('/topic/a', ({ body }) => bodies.push(body));
      await socket.acknowledge('SUBSCRIBE');
    });
    await next.connect();
    old.deliver('/topic/a', 'before the next one was subscribed');
    await next.acknowledge('SUBSCRIBE');
    await old.acknowledge('DISCONNECT');
    next.deliver('/topic/a', 'before the next one was subscribed');
    expect(bodies).toHaveLength(2);
  });

  test('a subscription that both refuse is refused once, and what the next one takes stays', async () => {
    const errors: string[] = [];
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      client.subscribe('/topic/a', () => {}, { onError: ({ code }) => errors.push(code) });
      await socket.frame('SUBSCRIBE');
    });
    await next.connect();
    old.report(await old.frame('SUBSCRIBE'), 'access-denied', 'Not there.');
    await settled();
    expect(errors).toEqual([]);
    next.report(await next.frame('SUBSCRIBE'), 'access-denied', 'Not there.');
    await settled();
    expect(errors).toEqual(['access-denied']);
  });

  test('a subscription that was to be tried again is set up on the next one alone', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const { client, socket: old, relay } = await openConnected();
      client.subscribe('/topic/a', () => {});
      old.report(await old.frame('SUBSCRIBE'), 'broker-unavailable', 'Later.');
      client.request('/queue/q', 'a').catch(() => {}); // keeps the old connection
      await old.acknowledge('SEND');
      old.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '9000' });
      await jest.advanceTimersByTimeAsync(0);
      const next = await relay.socket(1);
      await next.connect();
      await next.acknowledge('SUBSCRIBE');
      await jest.advanceTimersByTimeAsync(5_000);
      expect([old.seen('SUBSCRIBE').length, next.seen('SUBSCRIBE').length]).toEqual([1, 1]);
    } finally {
      jest.useRealTimers();
    }
  });

  test('what shares the messages of a queue, or acknowledges, follows when the old connection is over', async () => {
    const { client, old, next } = await openMoving({}, async ({ client, socket }) => {
      client.subscribe('/queue/a', () => {});
      client.subscribe('/topic/b', () => {}, { ack: 'client' });
      client.subscribe('/topic/c', () => {}, { headers: { durable: 'true' } });
      for (const index of [0, 1, 2]) await socket.acknowledge('SUBSCRIBE', index);
    });
    await next.connect();
    await old.frame('DISCONNECT');
    expect(next.seen('SUBSCRIBE')).toEqual([]);
    await old.acknowledge('DISCONNECT');
    for (const index of [0, 1, 2]) await next.acknowledge('SUBSCRIBE', index);
    expect(next.seen('SUBSCRIBE').map(({ headers }) => headers['id'])).toEqual(['/queue/a', '/topic/b', '/topic/c']);
    expect(client.state.name).toBe('connected');
  });

  test('what was sent is answered first, so that the order stays', async () => {
    let first: Promise<void> | undefined;
    const { client, old, next } = await openMoving({}, async ({ client, socket }) => {
      first = client.publish('/topic/a', 'first');
      await socket.frame('SEND');
    });
    await next.connect();
    const second = client.publish('/topic/a', 'second');
    await settled();
    expect(next.seen('SEND')).toEqual([]);
    await old.acknowledge('SEND');
    await first;
    expect((await next.acknowledge('SEND')).body).toBe('second');
    await second;
  });

  test('what the old relay took along without an answer is sent on the next one, before what came later', async () => {
    const publishing: Promise<void>[] = [];
    const { client, old, next } = await openMoving({}, async ({ client, socket }) => {
      publishing.push(client.publish('/topic/a', 'first'));
      await socket.frame('SEND');
    });
    await next.connect();
    publishing.push(client.publish('/topic/a', 'second'));
    await settled();
    old.end(1012);
    const bodies = [(await next.acknowledge('SEND', 0)).body, (await next.acknowledge('SEND', 1)).body];
    expect(bodies).toEqual(['first', 'second']);
    await Promise.all(publishing);
    expect(client.state.name).toBe('connected');
  });

  test('an answer that is under way is waited for', async () => {
    let asking: Promise<{ data: unknown }> | undefined;
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      asking = client.request('/queue/q', 'a');
      await socket.frame('SEND');
    });
    await next.connect();
    const { headers } = await old.acknowledge('SEND');
    await settled();
    expect(old.seen('DISCONNECT')).toEqual([]);
    old.deliver('/temp-queue/replies', 'b', { 'correlation-id': headers['correlation-id'] ?? '' });
    expect((await asking)?.data).toBe('b');
    await old.frame('DISCONNECT');
  });

  test('a question that was given up holds the old connection no longer', async () => {
    const abort = new AbortController();
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      client.request('/queue/q', 'a', { signal: abort.signal }).catch(() => {});
      await socket.acknowledge('SEND');
    });
    await next.connect();
    await settled();
    abort.abort();
    await old.frame('DISCONNECT');
  });

  test('where the next relay cannot be had, the old one is kept until it ends', async () => {
    const { client, old, next, relay, states } = await openMoving();
    next.end(1006);
    await settled();
    expect(states).toEqual(['connecting', 'connected']);
    old.end(1012);
    await (await relay.socket(2)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('where no WebSocket can be made, the old one is kept', async () => {
    const { client, socket, relay } = await openConnected();
    const refused = relay.refuse();
    socket.notice('drain', { 'move-in-ms': '0' });
    await refused;
    await settled();
    expect([relay.sockets.length, client.state.name]).toEqual([1, 'connected']);
  });

  test('where no token can be had, the old one is kept', async () => {
    let isAway = false;
    let asked!: () => void;
    const failed = new Promise<void>((resolve) => (asked = resolve));
    const { client, socket, relay } = await openConnected({
      token: () => {
        if (!isAway) return 'token';
        asked();
        throw new Error('away');
      },
    });
    isAway = true;
    socket.notice('drain', { 'move-in-ms': '0' });
    await failed;
    await settled();
    expect([relay.sockets.length, client.state.name]).toEqual([1, 'connected']);
  });

  test('closing in the middle of it ends both', async () => {
    const { client, old, next } = await openMoving({}, async ({ client, socket }) => {
      client.request('/queue/q', 'a').catch(() => {});
      await socket.acknowledge('SEND');
    });
    await next.connect();
    await settled();
    expect(old.seen('DISCONNECT')).toEqual([]);
    const closing = client.close();
    await next.acknowledge('DISCONNECT');
    await old.acknowledge('DISCONNECT');
    await closing;
    expect([old.readyState, next.readyState]).toEqual([3, 3]);
  });

  test('closing before the next one is there ends both', async () => {
    const { client, old, next } = await openMoving();
    const closing = client.close();
    await old.acknowledge('DISCONNECT');
    await closing;
    expect([old.readyState, next.readyState]).toEqual([3, 3]);
  });

  test('a loss of the old one while the next one opens leaves one connection', async () => {
    const { client, old, next, relay } = await openMoving();
    old.end(1006);
    await (await relay.socket(2)).connect();
    await client.connect();
    expect([next.readyState, relay.sockets.length]).toEqual([3, 3]);
  });
});
