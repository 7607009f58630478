import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Principal } from '../../../../server/src/auth/auth.js';
import { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';

describe('Sessions', () => {
  beforeEach(useFakeTime);
  afterEach(() => {
    jest.useRealTimers();
  });

  test('sessionsMax bounds their number; a new client is accepted when one has gone', async () => {
    const harness = new Harness({ sessionsMax: 2 });
    const [first] = [await harness.connect(), await harness.connect()];
    const refused = harness.open();
    expect(refused.summary).toEqual(['ERROR too-many-sessions']);
    expect(refused.closed?.code).toBe(1013);
    expect(harness.sessions.size).toBe(2);
    first.vanish();
    await harness.connect();
    expect(await harness.leftovers()).toEqual([]);
  });

  test('sessionsPerUserMax bounds the sessions of a user, except anonymous clients', async () => {
    const harness = new Harness({ sessionsPerUserMax: 2 });
    const first = await harness.connect({ login: 'ann' });
    await harness.connect({ login: 'ann' });
    const refused = harness.open();
    refused.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: 'ann' });
    await tick();
    expect(refused.summary).toEqual(['ERROR too-many-user-sessions']);
    expect(refused.frames[0]?.body.toString()).toContain('sessionsPerUserMax (2)');
    expect(refused.closed?.code).toBe(1013);
    for (const headers of [{ login: 'bob' }, {}, {}, {}]) await harness.connect(headers);
    first.vanish();
    await harness.connect({ login: 'ann' });
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a client whose access is revoked during its login gets ERROR revoked', async () => {
    const harness = new Harness({ isRevoked: ({ name }) => name === 'ann' });
    const refused = harness.open();
    refused.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: 'ann' });
    await tick();
    expect(refused.summary).toEqual(['ERROR revoked']);
    expect(refused.closed?.code).toBe(4401);
    await harness.connect({ login: 'bob' });
    expect(await harness.leftovers()).toEqual([]);
  });

  test('sessionsPerAddressMax counts 64 bits of an IPv6 address as one address, and not loopback', async () => {
    const harness = new Harness({ sessionsPerAddressMax: 1 });
    const first = await harness.connect({}, { address: '2001:db8::1' });
    const refused = harness.open({ address: '2001:db8:0:0:ff::2' });
    expect(refused.summary).toEqual(['ERROR too-many-address-sessions']);
    expect(refused.frames[0]?.body.toString()).toContain('sessionsPerAddressMax (1)');
    expect(refused.closed?.code).toBe(1013);
    for (const address of ['2001:db8:0:1::1', '192.0.2.1', '192.0.2.2', '127.0.0.1', '127.0.0.1', '::1', '::1']) {
      await harness.connect({}, { address });
    }
    first.vanish();
    await harness.connect({}, { address: '2001:db8::3' });
    expect(await harness.leftovers()).toEqual([]);
  });

  test('sessionsBeforeLoginMax bounds the sessions without a login', async () => {
    const harness = new Harness({ sessionsBeforeLoginMax: 2 });
    const silent = harness.open();
    harness.open();
    const refused = harness.open();
    expect(refused.summary).toEqual(['ERROR too-many-sessions']);
    expect(refused.frames[0]?.body.toString()).toContain('sessionsBeforeLoginMax (2)');
    expect(refused.closed?.code).toBe(1013);
    silent.vanish();
    for (let i = 0; i < 5; i++) await harness.connect();
    expect(harness.sessions.size).toBe(6);
    expect(await harness.leftovers()).toEqual([]);
  });

  test.each([
    ['sessionsBeforeLoginMax', { sessionsBeforeLoginMax: 3 }],
    ['sessionsMax', { sessionsMax: 3 }],
  ])('at %s, silent sessions of one network lose their places to clients of others', async (_, limits) => {
    const harness = new Harness({ ...limits, sessionsPerAddressMax: 3 });
    const silent = ['2001:db8::1', '2001:db8::2', '2001:db8::3'].map((address) => harness.open({ address }));
    const client = await harness.connect({}, { address: '192.0.2.7' });
    expect(silent.map(({ summary }) => summary)).toEqual([['ERROR too-many-sessions'], [], []]);
    expect(silent[0]?.closed?.code).toBe(1013);
    expect(silent[0]?.frames[0]?.body.toString()).toContain('has not logged in');
    expect(client.closed).toBeUndefined();
    expect(harness.sessions.size).toBe(3);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a session that logs in is not displaced, and one of the same network only after a second', async () => {
    const harness = new Harness({ sessionsMax: 2 });
    const loggedIn = await harness.connect({}, { address: '192.0.2.7' });
    const silent = harness.open({ address: '192.0.2.7' });
    expect(harness.open({ address: '192.0.2.7' }).summary).toEqual(['ERROR too-many-sessions']);
    await pass(1_000);
    await harness.connect({}, { address: '192.0.2.7' });
    expect(silent.summary).toEqual(['ERROR too-many-sessions']);
    expect(loggedIn.closed).toBeUndefined();
    expect(harness.open({ address: '192.0.2.9' }).summary).toEqual(['ERROR too-many-sessions']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a session that is displaced while its login is checked never logs in', async () => {
    const checks: (() => void)[] = [];
    const authenticator = {
      authenticate: ({ login = '' }) =>
        new Promise<Principal>((resolve) => checks.push(() => resolve({ name: login, anonymous: false, claims: {} }))),
    };
    const harness = new Harness({ sessionsBeforeLoginMax: 2, sessionsPerUserMax: 1, authenticator });
    const open = (address: string, login: string) => {
      const client = harness.open({ address });
      client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login });
      return client;
    };
    const displaced = [open('192.0.2.1', 'ann'), open('192.0.2.1', 'bob')][0];
    const other = open('192.0.2.2', 'ann');
    for (const check of checks) check();
    await tick();
    expect(displaced?.summary).toEqual(['ERROR too-many-sessions']);
    expect(other.summary).toEqual(['CONNECTED']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('the metrics count the refusals of each limit', async () => {
    const harness = new Harness({ sessionsBeforeLoginMax: 1, sessionsPerAddressMax: 1 });
    await harness.connect({}, { address: '192.0.2.1' });
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) harness.open({ address });
    const { newcomers } = harness.sessions;
    expect(newcomers).toMatchObject({ limit: 'limits.sessionsBeforeLoginMax', size: 1, turnedAway: 1 });
    const limits = harness.pots.all().map(({ limit, used, refused }) => ({ limit, used, refused: refused.pot }));
    expect(limits).toContainEqual({ limit: 'limits.sessionsPerAddressMax', used: 1, refused: 1 });
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a session whose login was refused no longer counts', async () => {
    const harness = new Harness({ sessionsBeforeLoginMax: 1, sessionsPerUserMax: 1 });
    for (const login of ['refused', 'ann', 'ann', 'bob']) {
      harness.open().sendFrame('CONNECT', { 'accept-version': '1.2', login });
      await tick();
    }
    expect(harness.connections.map(({ summary }) => summary)).toEqual([
      ['ERROR authentication-failed'],
      ['CONNECTED'],
      ['ERROR too-many-user-sessions'],
      ['CONNECTED'],
    ]);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('can be listed and found by id and by user, with their subscriptions', async () => {
    jest.setSystemTime(1_000_000);
    const harness = new Harness();
    const { sessions } = harness;
    harness.open({ address: '192.0.2.7' });
    const ann = await harness.connect({ login: 'ann' }, { id: 'a1', httpHeaders: { cookie: 'secret' } });
    await harness.connect({ login: 'ann' }, { id: 'a2' });
    await harness.connect();
    ann.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    ann.sendFrame('SUBSCRIBE', { id: 'u', destination: '/user/queue/r' });
    ann.sendFrame('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client' });
    await tick();
    expect([...sessions.all()].map((session) => session.info().user)).toEqual([undefined, 'ann', 'ann', 'session-4']);
    expect(sessions.get('a1')?.info()).toEqual({
      id: 'a1',
      user: 'ann',
      anonymous: false,
      transport: 'websocket',
      address: '192.0.2.1',
      connectedAtMs: 1_000_000,
      expiresAtMs: undefined,
      bufferedBytes: 0,
      subscriptions: [
        { id: 's', destination: '/topic/a', ack: 'auto' },
        { id: 'u', destination: '/user/queue/r', ack: 'auto' },
        { id: 'q', destination: '/queue/q', ack: 'client' },
      ],
    });
    expect(sessions.get('session-1')?.info()).toMatchObject({ address: '192.0.2.7', anonymous: false });
    expect(sessions.get('a3')).toBeUndefined();
    expect(sessions.ofUser('ann').map(({ id }) => id)).toEqual(['a1', 'a2']);
    expect(sessions.ofUser('session-4').map((session) => session.info().anonymous)).toEqual([true]);
    expect(sessions.ofUser('session-1')).toEqual([]);
    ann.vanish();
    expect(sessions.get('a1')).toBeUndefined();
    expect(await harness.leftovers()).toEqual([]);
  });

  test.each([
    ['kicked', 4411],
    ['revoked', 4401],
  ] as const)('a session that is %s gets its earlier messages and then ERROR', async (code, closeCode) => {
    const harness = new Harness();
    const client = await harness.connect({ login: 'ann' });
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    harness.broker.emit('a', 'x');
    harness.sessions.ofUser('ann')[0]!.end(code);
    expect(client.summary).toEqual(['CONNECTED', 'MESSAGE s x', `ERROR ${code}`]);
    expect(client.closed?.code).toBe(closeCode);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('refused clients do not count towards sessionsMax', async () => {
    const harness = new Harness({ sessionsMax: 1 });
    const first = await harness.connect();
    for (let i = 0; i < 10; i++) harness.open();
    first.vanish();
    await harness.connect();
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a drain ends sessions in any state, after their earlier messages, and waits until they are gone', async () => {
    const harness = new Harness();
    const clients = [harness.open(), await harness.connect(), await harness.connect({ 'heart-beat': '1000,1000' })];
    clients[1]!.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    clients[2]!.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', ack: 'client' });
    await tick();
    harness.broker.emit('a', 'x');
    let hasStopped = false;
    const stopping = harness.sessions.drain(10_000).then(() => (hasStopped = true));
    expect(hasStopped).toBe(false);
    await stopping;
    expect(clients.map(({ closed }) => closed?.code)).toEqual([1012, 1012, 1012]);
    expect(clients[1]!.summary).toEqual(['CONNECTED', 'MESSAGE s x']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a client that was not admitted gets ERROR, and does not count towards sessionsMax', async () => {
    const harness = new Harness({ sessionsMax: 1 });
    const refused = new MemoryConnection();
    harness.sessions.reject(refused, refused.peer, 'overloaded');
    expect(refused.summary).toEqual(['ERROR overloaded']);
    expect(refused.closed?.code).toBe(1013);
    const tooFast = new MemoryConnection();
    harness.sessions.reject(tooFast, tooFast.peer, 'too-many-connects');
    expect(tooFast.summary).toEqual(['ERROR too-many-connects']);
    await harness.connect();
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a client that a stopping relay does not admit is closed with 1012', () => {
    const refused = new MemoryConnection();
    new Harness().sessions.reject(refused, refused.peer, 'shutting-down');
    expect(refused.frames).toEqual([]);
    expect(refused.closed?.code).toBe(1012);
  });

  test('a drain without sessions ends at once, and later clients are refused', async () => {
    const harness = new Harness();
    await harness.sessions.drain(10_000);
    const late = harness.open();
    expect(late.closed?.code).toBe(1012);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a drain during a pending SUBSCRIBE leaves no subscription', async () => {
    const harness = new Harness();
    const client = await harness.connect();
    harness.broker.holds.add('subscribe');
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r' });
    void harness.sessions.drain(10_000);
    await pass(1_500);
    harness.broker.subscriptions[0]!.live.grant(harness.broker.subscriptions[0]!);
    await tick();
    expect(client.summary).toEqual(['CONNECTED']);
    expect(await harness.leftovers()).toEqual([]);
  });

  test('a thousand sessions with all commands leave nothing behind', async () => {
    const harness = new Harness({ session: { connectTimeoutMs: 1_000 } });
    for (let i = 0; i < 1_000; i++) {
      const client = harness.open();
      if (i % 10 === 0) continue;
      client.sendFrame('CONNECT', { 'accept-version': '1.2', 'heart-beat': '5000,5000' });
      client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
      client.sendFrame('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client' });
      client.sendFrame('BEGIN', { transaction: 't' });
      client.sendFrame('SEND', { destination: '/queue/x', transaction: 't', 'reply-to': '/temp-queue/r' }, 'x');
      if (i % 3 === 0) client.sendFrame('UNSUBSCRIBE', { id: 'q' });
      if (i % 5 === 0) client.sendFrame('COMMIT', { transaction: 't' });
      if (i % 7 === 0) client.sendFrame('DISCONNECT');
      if (i % 11 === 0) client.sendFrame('ACK', { id: 'none' });
      if (i % 13 === 0) client.vanish();
    }
    await tick();
    harness.broker.emit('a', 'x');
    await tick();
    expect(await harness.leftovers()).toEqual([]);
  });
});
