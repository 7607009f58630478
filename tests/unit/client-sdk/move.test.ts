/** The extension `drain`: the client leaves a relay that is about to stop, and the application does not notice. */
import { describe, expect, jest, test } from '@jest/globals';
import type { ClientOptions, Subscription } from '../../../client-sdk/src/core/index.js';
import type { FakeWebSocket } from './fake-relay.js';
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

/** A client with one subscription, whose next connection is up and has not answered SUBSCRIBE yet. */
async function openSubscribed(before: (subscription: Subscription) => void = () => {}) {
  const bodies: string[] = [];
  const opened = await openMoving({}, async ({ client, socket }) => {
    const subscription = client.subscribe('/topic/a', ({ body }) => bodies.push(body));
    await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    before(subscription);
  });
  await opened.next.connect();
  await opened.next.frame('SUBSCRIBE');
  const deliver = (socket: FakeWebSocket, ...messages: string[]): void => {
    for (const body of messages) socket.deliver('/topic/a', body);
  };
  return { ...opened, bodies, deliver };
}

describe('moving', () => {
  test('moves the subscriptions first, and then disconnects from the old relay', async () => {
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
    await old.acknowledgeFlush();
    await old.acknowledge('DISCONNECT');
    expect(states).toEqual(['connecting', 'connected']);
    expect(old.readyState).toBe(3);
  });

  test('a subscription stays subscribed, and outlives the old connection', async () => {
    const names: string[] = [];
    const { old, next, bodies } = await openSubscribed((subscription) => {
      subscription.onState(({ name }) => names.push(name));
    });
    await next.acknowledge('SUBSCRIBE');
    await old.acknowledgeFlush();
    await old.acknowledge('DISCONNECT');
    next.deliver('/topic/a', 'later');
    expect([names, bodies]).toEqual([[], ['later']]);
  });

  test('a subscription that both relays refuse is refused once, by the next relay', async () => {
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

  test('a subscription that waits for its retry is set up on the next connection only', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      const { client, socket: old, relay } = await openConnected();
      client.subscribe('/topic/a', () => {});
      old.report(await old.frame('SUBSCRIBE'), 'broker-unavailable', 'Later.');
      client.request('/queue/q', 'a').catch(() => {}); // keeps the old connection open
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

  test('subscriptions that share a queue or acknowledge follow after the end of the old connection', async () => {
    const { client, old, next } = await openMoving({}, async ({ client, socket }) => {
      client.subscribe('/queue/a', () => {});
      client.subscribe('/topic/b', () => {}, { ack: 'client' });
      client.subscribe('/topic/c', () => {}, { headers: { durable: 'true' } });
      for (const index of [0, 1, 2]) await socket.acknowledge('SUBSCRIBE', index);
    });
    await next.connect();
    await old.frame('DISCONNECT');
    expect(next.seen('SUBSCRIBE')).toEqual([]);
    expect(old.seen('SEND')).toEqual([]);
    await old.acknowledge('DISCONNECT');
    for (const index of [0, 1, 2]) await next.acknowledge('SUBSCRIBE', index);
    expect(next.seen('SUBSCRIBE').map(({ headers }) => headers['id'])).toEqual(['/queue/a', '/topic/b', '/topic/c']);
    expect(client.state.name).toBe('connected');
  });

  test('new messages wait for the answers to sent messages, which keeps the order', async () => {
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

  test('messages that the old relay never answered are sent on the next connection, before later messages', async () => {
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

  test('the old connection stays until an outstanding answer arrives', async () => {
    let requesting: Promise<{ data: unknown }> | undefined;
    const { old, next } = await openMoving({}, async ({ client, socket }) => {
      requesting = client.request('/queue/q', 'a');
      await socket.frame('SEND');
    });
    await next.connect();
    const { headers } = await old.acknowledge('SEND');
    await settled();
    expect(old.seen('DISCONNECT')).toEqual([]);
    old.deliver('/temp-queue/replies', 'b', { 'correlation-id': headers['correlation-id'] ?? '' });
    expect((await requesting)?.data).toBe('b');
    await old.frame('DISCONNECT');
  });

  test('an aborted request no longer holds the old connection', async () => {
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

  test('the old connection is kept until it ends if the next relay is unavailable', async () => {
    const { client, old, next, relay, states } = await openMoving();
    next.end(1006);
    await settled();
    expect(states).toEqual(['connecting', 'connected']);
    old.end(1012);
    await (await relay.socket(2)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('the old connection is kept if no WebSocket can be made', async () => {
    const { client, socket, relay } = await openConnected();
    const refused = relay.refuse();
    socket.notice('drain', { 'move-in-ms': '0' });
    await refused;
    await settled();
    expect([relay.sockets.length, client.state.name]).toEqual([1, 'connected']);
  });

  test('the old connection is kept if no token can be fetched', async () => {
    let isAway = false;
    let reportFailure!: () => void;
    const failed = new Promise<void>((resolve) => (reportFailure = resolve));
    const { client, socket, relay } = await openConnected({
      token: () => {
        if (!isAway) return 'token';
        reportFailure();
        throw new Error('away');
      },
    });
    isAway = true;
    socket.notice('drain', { 'move-in-ms': '0' });
    await failed;
    await settled();
    expect([relay.sockets.length, client.state.name]).toEqual([1, 'connected']);
  });

  test('closing during the move ends both connections', async () => {
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

  test('closing before the next connection is up ends both connections', async () => {
    const { client, old, next } = await openMoving();
    const closing = client.close();
    await old.acknowledge('DISCONNECT');
    await closing;
    expect([old.readyState, next.readyState]).toEqual([3, 3]);
  });

  test('losing the old connection while the next one opens leaves one connection', async () => {
    const { client, old, next, relay } = await openMoving();
    old.end(1006);
    await (await relay.socket(2)).connect();
    await client.connect();
    expect([next.readyState, relay.sockets.length]).toEqual([3, 3]);
  });
});

describe('the messages of two connections', () => {
  test('those of the next one wait until the old one has brought its last', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    deliver(old, '1');
    await next.acknowledge('SUBSCRIBE');
    deliver(next, '3', '4');
    await old.flush();
    deliver(old, '2', '3');
    expect(bodies).toEqual(['1', '2', '3']);
    await old.acknowledgeFlush();
    await settled();
    expect(bodies).toEqual(['1', '2', '3', '4']);
    expect(old.seen('UNSUBSCRIBE').map(({ headers }) => headers['id'])).toEqual(['/topic/a']);
    deliver(old, '4', '5'); // on their way when the client left
    deliver(next, '5');
    expect(bodies).toEqual(['1', '2', '3', '4', '5']);
  });

  test('copies that the next one brings late are left out, until it has brought the last of them', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    deliver(old, '1', '2', '3');
    deliver(next, '1');
    await old.acknowledgeFlush();
    await old.acknowledge('DISCONNECT');
    deliver(next, '2', '4');
    expect(bodies).toEqual(['1', '2', '3', '4']);
    await next.acknowledgeFlush();
    await settled();
    deliver(next, '3'); // a new message that equals an old one
    expect(bodies).toEqual(['1', '2', '3', '4', '3']);
  });

  test('equal messages in a row are not copies of each other', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    deliver(old, 'tick', 'tick');
    deliver(next, 'tick');
    await old.acknowledgeFlush();
    await settled();
    deliver(next, 'tick', 'tick');
    expect(bodies).toEqual(['tick', 'tick', 'tick']);
  });

  test('if the old connection is lost, the next one continues at once', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    deliver(old, '1');
    deliver(next, '1', '2');
    await old.flush();
    old.end(1006);
    expect(bodies).toEqual(['1', '2']);
    deliver(next, '3');
    expect(bodies).toEqual(['1', '2', '3']);
  });

  test('if the next connection is lost, its messages are delivered, and a third one takes over', async () => {
    const { old, next, bodies, deliver, relay, client } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    deliver(old, '1');
    deliver(next, '1', '2');
    next.end(1006);
    expect(bodies).toEqual(['1', '2']);
    const third = await relay.socket(2);
    await third.connect();
    await third.acknowledge('SUBSCRIBE');
    deliver(third, '2', '3');
    expect(bodies).toEqual(['1', '2', '2', '3']);
    expect(client.state.name).toBe('connected');
    await old.frame('DISCONNECT');
  });

  test('a relay that cannot flush keeps its connection until it ends it, and nothing is lost or copied', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    old.report(await old.flush(), 'invalid-destination', 'No such destination.');
    deliver(next, '1', '2');
    await settled();
    deliver(old, '1');
    expect([bodies, old.seen('DISCONNECT')]).toEqual([['1'], []]);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    try {
      old.end(1012);
      expect(bodies).toEqual(['1', '2']);
      next.report(await next.flush(), 'invalid-destination', 'No such destination.');
      deliver(next, '3');
      await settled();
      await jest.advanceTimersByTimeAsync(10_000);
      deliver(next, '3');
      expect(bodies).toEqual(['1', '2', '3', '3']);
    } finally {
      jest.useRealTimers();
    }
  });

  test('with too many messages to hold the next connection continues, and no copy is delivered', async () => {
    const { old, next, bodies, deliver } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    const large = 'x'.repeat(1_000_000);
    for (let n = 1; n <= 8; n++) deliver(next, `${n}${large}`);
    expect(bodies.map((body) => body[0]).join('')).toBe('12345678');
    deliver(old, `8${large}`, 'late');
    deliver(next, 'late');
    expect(bodies.slice(8).map((body) => body.slice(0, 4))).toEqual(['late']);
  });

  test('a second move waits for the end of the first one, and each message is delivered once', async () => {
    const { old, next, bodies, deliver, relay } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    next.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '5000' });
    const third = await relay.socket(2);
    await third.connect();
    deliver(old, '1', '2');
    deliver(next, '1');
    await old.acknowledgeFlush();
    await settled();
    expect(third.seen('SUBSCRIBE')).toEqual([]);
    deliver(next, '2');
    await next.acknowledgeFlush();
    await third.acknowledge('SUBSCRIBE');
    deliver(third, '3', '4');
    deliver(next, '3');
    await next.acknowledgeFlush(1);
    await settled();
    expect(bodies).toEqual(['1', '2', '3', '4']);
  });

  test('a third connection that ends while it waits is replaced, like any other', async () => {
    const { old, next, bodies, deliver, relay } = await openSubscribed();
    await next.acknowledge('SUBSCRIBE');
    next.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '5000' });
    const third = await relay.socket(2);
    await third.connect();
    deliver(old, '1');
    deliver(next, '2');
    third.end(1006);
    await old.acknowledge('DISCONNECT');
    await next.acknowledge('DISCONNECT');
    const fourth = await relay.socket(3);
    await fourth.connect();
    await fourth.acknowledge('SUBSCRIBE');
    deliver(fourth, '3');
    expect(bodies).toEqual(['1', '2', '3']);
  });
});
