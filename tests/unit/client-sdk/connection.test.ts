import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import type { ClientOptions, ConnectionState } from '../../../client-sdk/src/core/index.js';
import { FakeRelay } from './fake-relay.js';
import { nextState, open, openConnected, settled } from './open-client.js';

const SLOW = { reconnectMinMs: 40_000, reconnectMaxMs: 640_000 };

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] }));
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

/** The client's pause in ms after its connection, which was up for `upMs`, ended with this code. */
async function pauseAfter(code: number, upMs = 0, options: Partial<ClientOptions> = {}): Promise<number> {
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  const { client, socket } = await openConnected({ ...SLOW, ...options });
  await jest.advanceTimersByTimeAsync(upMs);
  const waiting = nextState(client, 'waiting');
  socket.end(code);
  return (await waiting).retryAt - Date.now();
}

describe('connecting', () => {
  test('does nothing before `connect`', async () => {
    const { client, relay } = open();
    await settled();
    expect([client.state, relay.sockets]).toEqual([{ name: 'idle' }, []]);
  });

  test.each([
    ['https://relay/ws', 'wss://relay/ws'],
    ['http://relay/ws', 'ws://relay/ws'],
    ['wss://relay/ws?a=b', 'wss://relay/ws?a=b'],
  ])('%s opens %s', async (url, opened) => {
    const { socket } = await openConnected({ url });
    expect(socket.url).toBe(opened);
  });

  test('a path is resolved against the page', async () => {
    Object.assign(globalThis, { location: { href: 'https://shop.example.com/cart' } });
    try {
      expect((await openConnected({ url: '/ws' })).socket.url).toBe('wss://shop.example.com/ws');
    } finally {
      Reflect.deleteProperty(globalThis, 'location');
    }
  });

  test('two calls of `connect` share one connection', async () => {
    const { client, relay } = open();
    const both = [client.connect(), client.connect()];
    await (await relay.socket(0)).connect();
    await Promise.all(both);
    await client.connect();
    expect(relay.sockets).toHaveLength(1);
  });

  test('the client is refused, and does not retry, if no WebSocket can be made', async () => {
    const { client, relay } = open();
    void relay.refuse();
    const { ready } = client.subscribe('/topic/data', () => {});
    const refusal = { code: 'cannot-connect', message: 'No WebSocket available.' };
    await expect(ready).rejects.toMatchObject(refusal);
    expect(client.state).toMatchObject({ name: 'refused', reason: refusal });
    await expect(client.connect()).rejects.toMatchObject(refusal);
    await expect(open({ url: 'ws://' }).client.connect()).rejects.toMatchObject({ code: 'cannot-connect' });
  });

  test('a relay that does not answer CONNECT is dropped after the time limit, and tried again', async () => {
    const { client, relay } = open({ connectTimeoutMs: 20 });
    const connecting = client.connect();
    (await relay.socket(0)).open();
    const waiting = nextState(client, 'waiting');
    await jest.advanceTimersByTimeAsync(20);
    expect((await waiting).reason).toMatchObject({ code: 'timeout', message: 'The relay took more than 20 ms.' });
    await jest.advanceTimersByTimeAsync(2);
    await (await relay.socket(1)).connect();
    await connecting;
  });

  test('a relay that sends no heart-beats is dropped', async () => {
    const { client, relay } = open({ heartBeatMs: 1_000 });
    const connecting = client.connect();
    await (await relay.socket(0)).connect({ 'heart-beat': '1000,1000' });
    await connecting;
    const lost = nextState(client, 'waiting');
    await jest.advanceTimersByTimeAsync(4_000);
    expect((await lost).reason).toEqual(new RelayError('connection-lost', 'The relay does not answer.'));
  });
});

describe('the pause before the next attempt', () => {
  test('doubles with every failure in a row, up to its maximum', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const { client, relay } = open({ reconnectMinMs: 100, reconnectMaxMs: 350 });
    client.connect().catch(() => {});
    const pauses: number[] = [];
    for (const index of [0, 1, 2, 3]) {
      const waiting = nextState(client, 'waiting');
      (await relay.socket(index)).end(1006);
      const { attempt, retryAt } = await waiting;
      expect(attempt).toBe(index + 1);
      pauses.push(retryAt - Date.now());
      await jest.advanceTimersByTimeAsync(pauses.at(-1)!);
    }
    expect(pauses).toEqual([100, 200, 350, 350]);
  });

  test('is short again after a connection that lasted', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const { client, relay } = open({ reconnectMinMs: 100, reconnectMaxMs: 1_000 });
    client.connect().catch(() => {});
    const lose = async (index: number, upMs?: number) => {
      const waiting = nextState(client, 'waiting');
      const socket = await relay.socket(index);
      if (upMs !== undefined) await socket.connect();
      await jest.advanceTimersByTimeAsync(upMs ?? 0);
      socket.end(1006);
      const pauseMs = (await waiting).retryAt - Date.now();
      await jest.advanceTimersByTimeAsync(pauseMs);
      return pauseMs;
    };
    expect([await lose(0), await lose(1), await lose(2, 100), await lose(3, 6_000)]).toEqual([100, 200, 400, 100]);
  });

  test('is short again after close', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const { client, relay } = open({ reconnectMinMs: 100, reconnectMaxMs: 1_000 });
    client.connect().catch(() => {});
    (await relay.socket(0)).end(1013);
    await client.close();
    const waiting = nextState(client, 'waiting');
    client.connect().catch(() => {});
    (await relay.socket(1)).end(1006);
    expect(await waiting).toMatchObject({ attempt: 1, retryAt: Date.now() + 100 });
  });

  test.each([1006, 1011, 1012, 4408, 4409, 4411])('has its usual length after %d', async (code) => {
    expect(await pauseAfter(code)).toBe(20_000);
  });

  test.each([1013, 4429])('is longer after %d: the relay asks for patience', async (code) => {
    expect(await pauseAfter(code)).toBe(320_000);
  });

  test('is zero after an expired token, but only once in a row', async () => {
    expect(await pauseAfter(4410, 0, { token: () => 'token' })).toBe(0);
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    const { client, socket, relay } = await openConnected({ ...SLOW, token: () => 'token' });
    socket.end(4410);
    await jest.advanceTimersByTimeAsync(0);
    const next = await relay.socket(1);
    await next.connect();
    const waiting = nextState(client, 'waiting');
    next.end(4410);
    expect((await waiting).retryAt - Date.now()).toBe(40_000);
  });

  test('ends with `connect`, also if a state listener calls it', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    client.onState(({ name }) => name === 'waiting' && void client.connect());
    socket.end(1006);
    await (await relay.socket(1)).connect();
    await client.connect();
    await jest.advanceTimersByTimeAsync(100_000);
    expect(relay.sockets).toHaveLength(2);
    expect(client.state.name).toBe('connected');
  });
});

describe('the state `refused`', () => {
  test.each([1002, 1003, 1007, 1009, 4400, 4401, 4403])('follows close code %d', async (code) => {
    const { client, socket } = await openConnected();
    socket.end(code);
    expect(client.state.name).toBe('refused');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('follows the expiry of a fixed token', async () => {
    const { client, socket } = await openConnected({ token: 'token' });
    socket.sendFrame('ERROR', { code: 'token-expired', message: 'token expired' }, 'The token has expired.');
    socket.end(4410);
    expect(client.state).toEqual({
      name: 'refused',
      reason: new RelayError('token-expired', 'The token has expired.'),
    });
  });

  test('after a refused login has the sentence of the relay, and `connect` tries again', async () => {
    const { client, relay } = open({ login: 'anna' });
    const connecting = client.connect();
    const socket = await relay.socket(0);
    socket.open();
    await socket.frame('CONNECT');
    socket.sendFrame('ERROR', { message: 'authentication failed', code: 'authentication-failed' }, 'Wrong passcode.');
    socket.end(4401);
    const reason = new RelayError('authentication-failed', 'Wrong passcode.');
    await expect(connecting).rejects.toEqual(reason);
    expect(client.state).toEqual({ name: 'refused', reason });
    const again = client.connect();
    await (await relay.socket(1)).connect();
    await again;
    expect(client.state).toEqual({ name: 'connected' });
  });

  test('does not follow an ERROR without a close: the client drops the server and retries', async () => {
    const { client, socket } = await openConnected({ connectTimeoutMs: 1_000, ...SLOW });
    socket.sendFrame('ERROR', { message: 'no' });
    const waiting = nextState(client, 'waiting');
    await jest.advanceTimersByTimeAsync(1_000);
    expect((await waiting).reason).toEqual(new RelayError('error', 'no'));
  });
});

describe('closing', () => {
  test('sends DISCONNECT, waits for the answer, and leaves nothing behind', async () => {
    const { client, socket, states } = await openConnected();
    client.subscribe('/topic/a', () => {});
    const publishing = expect(client.publish('/topic/a', 'x')).rejects.toMatchObject({ code: 'closed' });
    const closing = client.close();
    await socket.acknowledge('DISCONNECT');
    await Promise.all([closing, publishing]);
    expect(states.at(-1)).toBe('closed');
    expect(socket.readyState).toBe(3);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('drops a relay that does not answer', async () => {
    const { client, socket } = await openConnected({ connectTimeoutMs: 1_000 });
    const closing = client.close();
    await socket.frame('DISCONNECT');
    await jest.advanceTimersByTimeAsync(1_000);
    await closing;
    expect(jest.getTimerCount()).toBe(0);
  });

  test('sends no ACK after DISCONNECT', async () => {
    const { client, socket } = await openConnected();
    let message: { ack(): void } | undefined;
    client.subscribe('/queue/a', (each) => (message = each), { ack: 'client' });
    await socket.acknowledge('SUBSCRIBE');
    socket.deliver('/queue/a', 'x', { ack: '1' });
    void client.close();
    await socket.frame('DISCONNECT');
    message?.ack();
    expect(socket.seen('ACK')).toEqual([]);
  });

  test.each(['idle', 'connecting', 'waiting', 'refused', 'closed'])(
    'works from the state %s, and `connect` works after it',
    async (name) => {
      const { client, relay } = open(SLOW);
      if (name !== 'idle') client.connect().catch(() => {});
      if (name === 'waiting') (await relay.socket(0)).end(1006);
      if (name === 'refused') (await relay.socket(0)).end(4403);
      if (name === 'closed') await client.close();
      expect(client.state.name).toBe(name);
      await client.close();
      expect(client.state).toEqual({ name: 'closed' });
      expect(relay.sockets.every(({ readyState }) => readyState === 3)).toBe(true);
      expect(jest.getTimerCount()).toBe(0);
      const opened = relay.sockets.length;
      const connecting = client.connect();
      await (await relay.socket(opened)).connect();
      await connecting;
      expect(client.state).toEqual({ name: 'connected' });
    },
  );

  test('works while the token is fetched', async () => {
    let giveToken!: (token: string) => void;
    const { client, relay } = open({ token: () => new Promise((resolve) => (giveToken = resolve)) });
    const connecting = expect(client.connect()).rejects.toMatchObject({ code: 'closed' });
    await client.close();
    await connecting;
    giveToken('token');
    await settled();
    expect([relay.sockets.length, jest.getTimerCount()]).toEqual([0, 0]);
  });

  test('works right after the WebSocket was made', async () => {
    const relay = new FakeRelay();
    let closing: Promise<void> | undefined;
    const { client } = open({
      createWebSocket: (url, protocols) => {
        const socket = relay.createWebSocket(url, protocols);
        queueMicrotask(() => void (closing = client.close()));
        return socket;
      },
    });
    await expect(client.connect()).rejects.toMatchObject({ code: 'closed' });
    await closing;
    expect([relay.sockets[0]?.readyState, jest.getTimerCount()]).toEqual([3, 0]);
  });

  test('works from a listener of the state connected', async () => {
    const { client, relay, states } = open();
    client.subscribe('/topic/a', () => {});
    client.onState(({ name }) => name === 'connected' && void client.close());
    const socket = await relay.socket(0);
    await socket.connect();
    await socket.acknowledge('DISCONNECT');
    await settled();
    expect(states).toEqual(['connecting', 'connected', 'closed']);
    expect(socket.frames.at(-1)?.command).toBe('DISCONNECT');
  });

  test.each(['connecting', 'waiting'])('works from a listener of the state %s', async (name) => {
    const { client, relay } = open(SLOW);
    client.onState((state) => state.name === name && void client.close());
    const closed = expect(client.connect()).rejects.toMatchObject({ code: 'closed' });
    if (name === 'waiting') (await relay.socket(0)).end(1006);
    await closed;
    await jest.advanceTimersByTimeAsync(1_000_000);
    expect([client.state.name, relay.sockets.length]).toEqual(['closed', name === 'waiting' ? 1 : 0]);
  });

  test('lets a listener connect again', async () => {
    const { client, socket, relay } = await openConnected();
    const connecting = nextState(client, 'closed').then(() => client.connect());
    client.onState(({ name }) => name === 'closed' && void client.connect());
    void client.close();
    const next = await relay.socket(1);
    await next.connect();
    await connecting;
    await socket.acknowledge('DISCONNECT');
    expect(client.state.name).toBe('connected');
  });
});

describe('state listeners', () => {
  test('get the same state object until the state changes', async () => {
    const { client } = await openConnected();
    const { state } = client;
    expect(client.state).toBe(state);
  });

  test('are all called even if one throws; its exception is reported as uncaught', async () => {
    const { client, relay } = open();
    const seenStates: string[] = [];
    client.onState(() => {
      throw new Error('mine');
    });
    client.onState(({ name }) => seenStates.push(name));
    const connecting = client.connect();
    await (await relay.socket(0)).connect();
    await connecting;
    expect(seenStates).toEqual(['connecting', 'connected']);
    expect(() => jest.runOnlyPendingTimers()).toThrow('mine');
    jest.clearAllTimers();
  });

  test('get no older state after a newer one that another listener caused', async () => {
    const { client, socket } = await openConnected(SLOW);
    client.onState(({ name }) => name === 'waiting' && void client.close());
    const seenStates: ConnectionState['name'][] = [];
    client.onState(({ name }) => seenStates.push(name));
    socket.end(1006);
    expect(seenStates).toEqual(['closed']);
  });

  test('are not called after their removal', async () => {
    const { client, socket } = await openConnected();
    const seenStates: string[] = [];
    const off = client.onState(({ name }) => seenStates.push(name));
    off();
    socket.end(4403);
    expect(seenStates).toEqual([]);
  });
});
