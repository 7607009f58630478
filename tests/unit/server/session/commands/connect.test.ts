import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AuthenticationError } from '../../../../../server/src/auth/auth.js';
import type { Authenticator, Credentials, Principal } from '../../../../../server/src/auth/auth.js';
import { Decision } from '../../../../support/scripted-broker.js';
import { Harness, pass, tick, useFakeTime } from '../harness.js';

let harness: Harness;
beforeEach(() => {
  useFakeTime();
  harness = new Harness();
});
afterEach(async () => {
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const ANN: Principal = { name: 'ann', anonymous: false, claims: {} };
const asks = (authenticate: Authenticator['authenticate']): void => {
  harness = new Harness({ authenticator: { authenticate } });
};

async function connecting(headers: Record<string, string> = {}, command = 'CONNECT') {
  const client = harness.open();
  client.sendFrame(command, headers);
  await tick();
  return client;
}

describe('CONNECTED', () => {
  test.each([
    ['1.0,1.1,1.2', '1.2'],
    ['1.1,1.0', '1.1'],
    ['1.0', '1.0'],
    ['1.3, 1.2', '1.2'],
  ])('accept-version:%s gives %s', async (accepted, version) => {
    const client = await connecting({ 'accept-version': accepted });
    expect(client.frames[0]).toMatchObject({ command: 'CONNECTED', headers: { version } });
  });

  test('answers STOMP like CONNECT', async () => {
    expect((await connecting({}, 'STOMP')).summary).toEqual(['CONNECTED']);
  });

  test('has only the headers version, heart-beat, session and server', async () => {
    const client = await connecting({ 'accept-version': '1.2' });
    expect(client.frames[0]?.headers).toEqual({
      version: '1.2',
      'heart-beat': '10000,10000',
      session: 'session-1',
      server: 'stomp-relay/test',
    });
  });

  test('grants known extensions', async () => {
    const client = await connecting({ 'accept-version': '1.2', 'relay-extensions': 'time-travel, drain,soft-errors' });
    expect(client.frames[0]?.headers['relay-extensions']).toBe('soft-errors,drain');
    client.sendFrame('SUBSCRIBE', { id: 'relay', destination: '/topic/a' });
    await tick();
    expect(client.frames.at(-1)?.headers).toMatchObject({ code: 'invalid-header' });
  });

  test('names the user with the extension recovery, because clients keep positions for each user', async () => {
    asks(() => Promise.resolve({ ...ANN, name: 'änn:1\ud800' }));
    const headersWith = async (extensions: string) =>
      (await connecting({ 'accept-version': '1.2', 'relay-extensions': extensions })).frames[0]?.headers;
    expect(await headersWith('recovery')).toMatchObject({ 'user-name': '%C3%A4nn%3A1%EF%BF%BD' });
    expect(await headersWith('drain')).not.toHaveProperty('user-name');
    asks(() => Promise.resolve({ ...ANN, anonymous: true }));
    expect(await headersWith('recovery')).not.toHaveProperty('user-name');
  });

  test('does not grant unknown extensions; without any, the subscription id relay is free', async () => {
    const client = await connecting({ 'accept-version': '1.2', 'relay-extensions': 'time-travel' });
    expect(client.frames[0]?.headers).not.toHaveProperty('relay-extensions');
    client.sendFrame('SUBSCRIBE', { id: 'relay', destination: '/topic/a', receipt: 'r' });
    await tick();
    expect(client.summary.at(-1)).toBe('RECEIPT r');
  });

  test('frames behind CONNECT wait for it', async () => {
    const answer = new Decision<Principal>();
    asks(() => answer.promise);
    const client = await connecting({ 'accept-version': '1.2' });
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r' });
    client.sendFrame('BEGIN', { transaction: 't', receipt: 'b' });
    await tick();
    expect(client.summary).toEqual([]);
    answer.grant(ANN);
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'RECEIPT r', 'RECEIPT b']);
  });
});

describe('refusals', () => {
  test('no version in common: ERROR lists the supported versions', async () => {
    const client = await connecting({ 'accept-version': '2.0' });
    expect(client.frames[0]).toMatchObject({
      command: 'ERROR',
      headers: { code: 'unsupported-version', version: '1.0,1.1,1.2', 'content-type': 'text/plain;charset=utf-8' },
    });
    expect(client.closed?.code).toBe(1002);
  });

  test('a malformed heart-beat', async () => {
    expect((await connecting({ 'heart-beat': 'often' })).summary).toEqual(['ERROR invalid-header']);
  });

  test('a second CONNECT', async () => {
    const client = await harness.connect();
    client.sendFrame('CONNECT', {});
    expect(client.summary).toEqual(['CONNECTED', 'ERROR already-connected']);
  });

  test('a second CONNECT while the first is being answered', async () => {
    const client = harness.open();
    client.sendFrame('CONNECT', {});
    client.sendFrame('CONNECT', {});
    await tick();
    expect(client.summary).toEqual(['CONNECTED', 'ERROR already-connected']);
  });

  test.each(['SEND', 'SUBSCRIBE', 'DISCONNECT', 'BEGIN'])('%s before CONNECT', async (command) => {
    const client = await connecting({ id: 's', destination: '/topic/a', transaction: 't', receipt: 'r' }, command);
    expect(client.frames[0]?.headers).toMatchObject({ code: 'not-connected', 'receipt-id': 'r' });
  });
});

describe('the authenticator', () => {
  test('gets all credentials of the client', async () => {
    const seen: Credentials[] = [];
    asks((credentials) => {
      seen.push(credentials);
      return Promise.resolve(ANN);
    });
    const client = harness.open({ httpHeaders: { cookie: 'c=1' } });
    client.sendFrame('CONNECT', { login: 'ann', passcode: 'secret', token: 't' });
    await tick();
    expect(seen[0]).toMatchObject({ login: 'ann', passcode: 'secret', httpHeaders: { cookie: 'c=1' } });
    expect(seen[0]?.headers.get('token')).toBe('t');
    expect(seen[0]?.address).toBe('192.0.2.1');
  });

  test('refuses: the ERROR does not reveal the passcode, and the client must not reconnect', async () => {
    const client = await connecting({ login: 'refused', passcode: 'hidden' });
    expect(client.summary).toEqual(['ERROR authentication-failed']);
    expect(client.frames[0]?.raw.toString()).not.toContain('hidden');
    expect(client.closed?.code).toBe(4401);
  });

  test.each<[string, Authenticator['authenticate']]>([
    ['rejects', () => Promise.reject(new Error('database away'))],
    [
      'throws',
      () => {
        throw new Error('database away');
      },
    ],
  ])('%s: the client may reconnect', async (_, authenticate) => {
    asks(authenticate);
    const client = await connecting();
    expect(client.summary).toEqual(['ERROR authentication-unavailable']);
    expect(client.frames[0]?.raw.toString()).not.toContain('database');
    expect(harness.warned).toMatchObject([{ details: { err: { message: 'database away' } } }]);
    expect(client.closed?.code).toBe(1013);
  });

  test.each([
    ['authentication-failed', 4401],
    ['token-expired', 4410],
  ] as const)('refuses with %s and its own sentence', async (code, closeCode) => {
    asks(() => Promise.reject(new AuthenticationError(code, 'The token is of no use.')));
    const client = await connecting();
    expect(client.summary).toEqual([`ERROR ${code}`]);
    expect(client.frames[0]?.body.toString()).toBe('The token is of no use.');
    expect(client.closed?.code).toBe(closeCode);
  });

  test('hangs: the relay waits for connectTimeoutMs, and a late answer has no effect', async () => {
    const answer = new Decision<Principal>();
    asks(() => answer.promise);
    const client = harness.open();
    await pass(harness.options.connectTimeoutMs - 1_000);
    client.sendFrame('CONNECT');
    await pass(harness.options.connectTimeoutMs - 1_000);
    expect(client.summary).toEqual([]);
    await pass(1_100);
    expect(client.summary).toEqual(['ERROR authentication-unavailable']);
    expect(harness.warned).toMatchObject([
      { details: { err: { message: 'no answer within session.connectTimeoutMs (10000 ms)' } } },
    ]);
    answer.grant(ANN);
    await tick();
    expect(client.summary).toEqual(['ERROR authentication-unavailable']);
  });

  test('answers after the client has gone: earlier frames are handled, and the session ends', async () => {
    const answer = new Decision<Principal>();
    asks(() => answer.promise);
    const client = await connecting();
    client.sendFrame('SEND', { destination: '/queue/a' }, 'last words');
    client.vanish();
    await tick();
    expect(harness.sessions.size).toBe(1);
    answer.grant(ANN);
    await tick();
    expect(harness.broker.calls).toContain('publish /queue/a last words');
    expect(harness.sessions.size).toBe(0);
  });
});

test('a client that sends nothing gets ERROR and is closed', async () => {
  const client = harness.open();
  await pass(harness.options.connectTimeoutMs + 100);
  expect(client.summary).toEqual(['ERROR connect-timeout']);
  expect(client.closed?.code).toBe(4408);
});

test('an incomplete CONNECT does not count', async () => {
  const client = harness.open();
  client.send('CONNECT\naccept-version:1.2\n');
  await pass(harness.options.connectTimeoutMs + 100);
  expect(client.summary).toEqual(['ERROR connect-timeout']);
});
