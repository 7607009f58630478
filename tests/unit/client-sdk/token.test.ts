import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import type { Token } from '../../../client-sdk/src/core/index.js';
import { nextState, open, openConnected, settled } from './open-client.js';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] }));
afterEach(() => void jest.useRealTimers());

describe('for a connection', () => {
  test.each([
    [
      { login: 'anna', passcode: 'p' },
      { login: 'anna', passcode: 'p' },
    ],
    [{ token: 't' }, { passcode: 't' }],
    [
      { login: 'anna', passcode: 'p', token: 't' },
      { login: 'anna', passcode: 't' },
    ],
    [{ token: () => 't' }, { passcode: 't' }],
    [{ token: () => Promise.resolve('t') }, { passcode: 't' }],
    [{}, {}],
  ])('%j is sent as %j', async (credentials, sent) => {
    const { connect } = await openConnected(credentials);
    const { login, passcode } = connect.headers;
    expect({ ...(login && { login }), ...(passcode && { passcode }) }).toEqual(sent);
  });

  test('a function can provide more headers', async () => {
    const { connect } = await openConnected({ headers: () => Promise.resolve({ host: 'shop' }), token: 't' });
    expect(connect.headers).toMatchObject({ host: 'shop', passcode: 't' });
  });

  test('each connection fetches a fresh token', async () => {
    let count = 0;
    const { connect, relay, socket } = await openConnected({ token: () => `token-${++count}` });
    expect(connect.headers['passcode']).toBe('token-1');
    socket.end(1006);
    await jest.advanceTimersByTimeAsync(2);
    const again = await (await relay.socket(1)).connect();
    expect(again.headers['passcode']).toBe('token-2');
  });

  test('without a logged-in user the client is refused, until `connect` is called', async () => {
    let token: Token = null;
    const { client, relay } = open({ token: () => token });
    await expect(client.connect()).rejects.toMatchObject({ code: 'no-token' });
    expect(client.state.name).toBe('refused');
    expect([relay.sockets.length, jest.getTimerCount()]).toEqual([0, 0]);
    token = 'token';
    const connecting = client.connect();
    await (await relay.socket(0)).connect();
    await connecting;
  });

  test.each([
    ['throws', () => { throw new Error('The shop is closed.'); }], // prettier-ignore
    ['rejects', () => Promise.reject(new Error('The shop is closed.'))],
  ])('a provider that %s is called again later', async (_, failing) => {
    let provide: () => Token | Promise<Token> = failing;
    const { client, relay } = open({ token: () => provide() });
    const waiting = nextState(client, 'waiting');
    const connecting = client.connect();
    expect((await waiting).reason).toEqual(new RelayError('token-unavailable', 'The shop is closed.'));
    provide = () => 'token';
    await jest.advanceTimersByTimeAsync(2);
    await (await relay.socket(0)).connect();
    await connecting;
  });

  test('a provider that hangs runs into the connect timeout', async () => {
    const { client } = open({ token: () => new Promise<string>(() => {}), connectTimeoutMs: 100 });
    const waiting = nextState(client, 'waiting');
    client.connect().catch(() => {});
    await jest.advanceTimersByTimeAsync(100);
    expect((await waiting).reason).toEqual(new RelayError('timeout', 'Fetching the token took more than 100 ms.'));
  });
});

describe('renewal in place', () => {
  test('sends the next token to the session', async () => {
    let count = 0;
    const { client, socket } = await openConnected({ token: () => `token-${++count}` });
    socket.notice('token-expiring', { 'expires-in-ms': '60000' });
    const send = await socket.acknowledge('SEND');
    expect(send.headers).toMatchObject({ destination: '/relay/auth', passcode: 'token-2' });
    expect(send.headers['idempotency-key']).toBeUndefined();
    expect(client.state.name).toBe('connected');
    await jest.advanceTimersByTimeAsync(60_000);
    expect(socket.seen('SEND')).toHaveLength(1);
  });

  test('is retried after a failure, until the token has expired', async () => {
    let isAway = false;
    let count = 0;
    const token = () => {
      count++;
      if (isAway) throw new Error('away');
      return 'token';
    };
    const { socket } = await openConnected({ token });
    isAway = true;
    socket.notice('token-expiring', { 'expires-in-ms': '5000' });
    await jest.advanceTimersByTimeAsync(3_000);
    expect(count).toBe(3);
    isAway = false;
    await jest.advanceTimersByTimeAsync(1_000);
    socket.report(await socket.frame('SEND'), 'authentication-unavailable', 'Later.');
    await jest.advanceTimersByTimeAsync(60_000);
    expect([count, socket.seen('SEND').length]).toEqual([4, 1]);
  });

  test('does not send a fixed token again', async () => {
    const { socket } = await openConnected({ token: 'token' });
    socket.notice('token-expiring', { 'expires-in-ms': '60000' });
    await settled();
    expect(socket.seen('SEND')).toEqual([]);
  });

  test('that comes too late leads to an immediate connection with a fresh token', async () => {
    let count = 0;
    const { client, socket, relay } = await openConnected({ token: () => `token-${++count}`, reconnectMinMs: 40_000 });
    socket.end(4410);
    await jest.advanceTimersByTimeAsync(0);
    const connect = await (await relay.socket(1)).connect();
    expect(connect.headers['passcode']).toBe('token-2');
    await client.connect();
  });
});
