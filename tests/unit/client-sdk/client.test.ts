import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createClient, RelayError } from '../../../client-sdk/src/core/index.js';
import type { Client, ClientOptions, ConnectionState, Message } from '../../../client-sdk/src/core/index.js';
import { FakeRelay } from './fake-relay.js';

const clients: Client[] = [];
const relays: FakeRelay[] = [];
afterEach(async () => {
  const closing = clients.splice(0).map((client) => client.close());
  for (const relay of relays.splice(0)) for (const socket of relay.sockets) socket.end(1006);
  await Promise.all(closing);
});

function open(options: Partial<ClientOptions> = {}) {
  const relay = new FakeRelay();
  const client = createClient({
    url: 'ws://relay/ws',
    createWebSocket: relay.createWebSocket,
    reconnectMinMs: 1,
    reconnectMaxMs: 2,
    ...options,
  });
  clients.push(client);
  relays.push(relay);
  const states: ConnectionState['name'][] = [];
  client.onState(({ name }) => states.push(name));
  return { client, relay, states };
}

async function openConnected(options: Partial<ClientOptions> = {}) {
  const opened = open(options);
  const connecting = opened.client.connect();
  const socket = await opened.relay.socket(0);
  const connect = await socket.connect();
  await connecting;
  return { ...opened, socket, connect };
}

describe('connecting', () => {
  test('offers the STOMP sub-protocols and the login', async () => {
    const { client, socket, connect, states } = await openConnected({ login: 'anna', passcode: 'p' });
    expect(socket.protocols).toEqual(['v12.stomp', 'v11.stomp', 'v10.stomp']);
    expect(connect.headers).toMatchObject({ login: 'anna', passcode: 'p', 'accept-version': '1.2,1.1,1.0' });
    expect(states).toEqual(['connecting', 'connected']);
    expect(client.state.name).toBe('connected');
  });

  test('asks for a fresh token for each connection', async () => {
    let count = 0;
    const { connect, relay, socket } = await openConnected({ token: () => `token-${++count}` });
    expect(connect.headers['passcode']).toBe('token-1');
    socket.end(1006);
    const again = await (await relay.socket(1)).connect();
    expect(again.headers['passcode']).toBe('token-2');
  });

  test.each([
    [0, 0],
    [0.5, 20_000],
  ])('comes back after a pause that is random, so that a crowd does not come at once (%d)', async (chance, pauseMs) => {
    const { client, socket } = await openConnected({ reconnectMinMs: 40_000, reconnectMaxMs: 40_000 });
    const random = jest.spyOn(Math, 'random').mockReturnValue(chance);
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const waiting = new Promise<void>((resolve) => client.onState(({ name }) => name === 'waiting' && resolve()));
    socket.end(1012, 'service restart');
    await waiting;
    await Promise.resolve();
    const pauses = timers.mock.calls.map(([, ms]) => ms);
    timers.mockRestore();
    random.mockRestore();
    expect(pauses).toContain(pauseMs);
  });

  test('a first attempt that fails is told, and repeated', async () => {
    const { client, relay, states } = open();
    const connecting = client.connect();
    const waiting = new Promise<ConnectionState>((resolve) => {
      client.onState((state) => state.name === 'waiting' && resolve(state));
    });
    (await relay.socket(0)).end(1006);
    expect(await waiting).toMatchObject({
      reason: { code: 'connection-lost', message: 'The relay cannot be reached.' },
    });
    await (await relay.socket(1)).connect();
    await connecting;
    expect(states).toEqual(['connecting', 'waiting', 'connecting', 'connected']);
  });

  test('a refused login says what the relay said', async () => {
    const { client, relay } = open({ login: 'anna' });
    const connecting = client.connect();
    const socket = await relay.socket(0);
    socket.open();
    await socket.frame('CONNECT');
    socket.say('ERROR', { message: 'authentication failed', code: 'authentication-failed' }, 'Wrong passcode.');
    socket.end(4401);
    const reason = new RelayError('authentication-failed', 'Wrong passcode.');
    await expect(connecting).rejects.toEqual(reason);
    expect(client.state).toEqual({ name: 'refused', reason });
  });

  test('a relay that does not answer CONNECT is left after a while, and tried again', async () => {
    const { client, relay } = open({ connectTimeoutMs: 20 });
    const connecting = client.connect();
    (await relay.socket(0)).open();
    await (await relay.socket(1)).connect();
    await connecting;
  });

  test('close says DISCONNECT and waits for its answer', async () => {
    const { client, socket, states } = await openConnected();
    const closing = client.close();
    await socket.acknowledge('DISCONNECT');
    await closing;
    expect(states.at(-1)).toBe('closed');
    expect(socket.readyState).toBe(3);
  });

  test('close while connecting ends the attempt', async () => {
    const { client, relay } = open();
    const connecting = client.connect();
    const socket = await relay.socket(0);
    const refused = expect(connecting).rejects.toMatchObject({ code: 'closed' });
    await client.close();
    await refused;
    expect(socket.readyState).toBe(3);
    expect(client.state.name).toBe('closed');
  });
});

describe('publishing', () => {
  test('resolves by the receipt', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'hello', { headers: { priority: '5' } });
    const send = await socket.acknowledge('SEND');
    await publishing;
    expect(send).toMatchObject({ headers: { destination: '/topic/a', priority: '5' }, body: 'hello' });
  });

  test('rejects by the ERROR that names it, and comes back', async () => {
    const { client, socket, relay } = await openConnected();
    const publishing = client.publish('/exchange/none', 'x');
    const send = await socket.frame('SEND');
    const receipt = { 'receipt-id': send.headers['receipt'] ?? '' };
    socket.say('ERROR', { message: 'exchange not found', code: 'exchange-not-found', ...receipt }, 'No such exchange.');
    socket.end(4400);
    await expect(publishing).rejects.toEqual(new RelayError('exchange-not-found', 'No such exchange.'));
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('with queue: false, rejects when the connection is lost before the answer', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'x', { queue: false });
    await socket.frame('SEND');
    socket.end(1006);
    await expect(publishing).rejects.toMatchObject({ code: 'connection-lost' });
    await expect(client.publish('/topic/a', 'x', { queue: false })).rejects.toMatchObject({ code: 'not-connected' });
  });

  test('what was not answered is sent again, behind the subscriptions, with the same id and in order', async () => {
    const { client, relay, socket } = await openConnected();
    client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    const publishing = [client.publish('/topic/a', 'one'), client.publish('/topic/a', 'two')];
    const before = [await socket.frame('SEND', 0), await socket.frame('SEND', 1)];
    socket.end(1006);
    publishing.push(client.publish('/topic/a', 'three'));
    const next = await relay.socket(1);
    await next.connect();
    await next.frame('SUBSCRIBE');
    expect(next.frames.map(({ command }) => command)).toEqual(['CONNECT', 'SUBSCRIBE']);
    await next.acknowledge('SUBSCRIBE');
    const after = [];
    for (const index of [0, 1, 2]) after.push(await next.acknowledge('SEND', index));
    await Promise.all(publishing);
    expect(after.map(({ body }) => body)).toEqual(['one', 'two', 'three']);
    const ids = [...before, ...after].map(({ headers }) => headers['idempotency-id']);
    expect(ids.slice(0, 2)).toEqual(ids.slice(2, 4));
    expect(new Set(ids).size).toBe(3);
  });
});

describe('subscribing', () => {
  test('is ready by the receipt, and then delivers', async () => {
    const { client, socket } = await openConnected();
    const messages: Message[] = [];
    const subscription = client.subscribe('/topic/a', (message) => messages.push(message), { ack: 'client' });
    const subscribe = await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    expect(subscribe.headers).toMatchObject({ destination: '/topic/a', id: '/topic/a', ack: 'client' });
    socket.say('MESSAGE', { subscription: '/topic/a', destination: '/topic/a', 'message-id': '1', ack: 'a1' }, 'hello');
    expect(messages[0]).toMatchObject({ body: 'hello', destination: '/topic/a' });
    messages[0]?.ack();
    expect((await socket.frame('ACK')).headers['id']).toBe('a1');
  });

  test('the same destination is subscribed once, by itself as its id', async () => {
    const { client, socket } = await openConnected();
    const seen: string[] = [];
    const listener = (who: string) => (message: Message) => seen.push(`${who} ${message.body}`);
    const one = client.subscribe('/topic/a', listener('one'));
    const two = client.subscribe('/topic/a', listener('two'));
    client.subscribe('/topic/a', listener('acking'), { ack: 'client' });
    await socket.frame('SUBSCRIBE', 1);
    const subscribes = () => socket.frames.filter(({ command }) => command === 'SUBSCRIBE');
    expect(subscribes().map(({ headers }) => headers['id'])).toEqual(['/topic/a', '/topic/a#2']);
    socket.say('MESSAGE', { subscription: '/topic/a', destination: '/topic/a', 'message-id': '1' }, 'x');
    one.unsubscribe();
    socket.say('MESSAGE', { subscription: '/topic/a', destination: '/topic/a', 'message-id': '2' }, 'y');
    expect(seen).toEqual(['one x', 'two x', 'two y']);
    expect(socket.frames.filter(({ command }) => command === 'UNSUBSCRIBE')).toEqual([]);
    two.unsubscribe();
    expect((await socket.frame('UNSUBSCRIBE')).headers['id']).toBe('/topic/a');
  });

  test('before there is a connection, it waits for one', async () => {
    const { client, relay } = open();
    const { ready } = client.subscribe('/topic/a', () => {});
    const connecting = client.connect();
    const socket = await relay.socket(0);
    await socket.connect();
    await connecting;
    await socket.acknowledge('SUBSCRIBE');
    await ready;
  });

  test('is set up again on a new connection, with the same id', async () => {
    const { client, socket, relay, states } = await openConnected();
    const bodies: string[] = [];
    client.subscribe('/topic/a', ({ body }) => bodies.push(body));
    await socket.acknowledge('SUBSCRIBE');
    socket.end(1012, 'service restart');
    const next = await relay.socket(1);
    await next.connect();
    expect((await next.acknowledge('SUBSCRIBE')).headers['id']).toBe('/topic/a');
    next.say('MESSAGE', { subscription: '/topic/a', destination: '/topic/a', 'message-id': '1' }, 'after');
    expect(bodies).toEqual(['after']);
    expect(states).toEqual(['connecting', 'connected', 'waiting', 'connecting', 'connected']);
  });

  test('a refused one is told, forgotten, and does not take the others with it', async () => {
    const { client, socket, relay } = await openConnected();
    client.subscribe('/topic/good', () => {});
    await socket.acknowledge('SUBSCRIBE');
    const bad = client.subscribe('/nowhere', () => {});
    const frame = await socket.frame('SUBSCRIBE', 1);
    const receipt = { 'receipt-id': frame.headers['receipt'] ?? '' };
    socket.say('ERROR', { code: 'invalid-destination', message: 'invalid destination', ...receipt }, 'No such kind.');
    socket.end(4400);
    await expect(bad.ready).rejects.toMatchObject({ code: 'invalid-destination' });
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    expect(next.frames.filter(({ command }) => command === 'SUBSCRIBE').map(({ headers }) => headers['id'])).toEqual([
      '/topic/good',
    ]);
  });

  test('after unsubscribe it is not set up again', async () => {
    const { client, socket, relay } = await openConnected();
    const subscription = client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    subscription.unsubscribe();
    subscription.unsubscribe();
    expect((await socket.frame('UNSUBSCRIBE')).headers['id']).toBe('/topic/a');
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    expect(next.frames.map(({ command }) => command)).toEqual(['CONNECT']);
  });

  test('a connection that ends for good says why, and the subscriptions are back when it is tried again', async () => {
    const { client, socket, relay } = await openConnected();
    const subscription = client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    await subscription.ready;
    socket.say('ERROR', { code: 'access-denied', message: 'access denied' }, 'Not any more.');
    socket.end(4403);
    expect(client.state).toMatchObject({ name: 'refused', reason: { code: 'access-denied' } });
    expect(subscription.state).toEqual({ name: 'subscribing' });
    await expect(client.publish('/topic/a', 'x')).rejects.toMatchObject({ code: 'access-denied' });
    void client.connect();
    const next = await relay.socket(1);
    await next.connect();
    await next.acknowledge('SUBSCRIBE');
    await subscription.ready;
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true });
  });
});
