/** The lifetime of a token: its end, the warning, and SEND to /relay/auth with a new one. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AuthenticationError } from '../../../../../server/src/auth/auth.js';
import type { Authenticator, Credentials, Policy, Principal } from '../../../../../server/src/auth/auth.js';
import type { MemoryConnection } from '../../../../support/memory-connection.js';
import { Decision } from '../../../../support/scripted-broker.js';
import { Harness, pass, tick, useFakeTime } from '../harness.js';

/** The content of a token: the user's name, the allowed topics, and the lifetime. */
interface Token {
  readonly name?: string;
  readonly topics?: readonly string[];
  readonly livesForMs?: number;
}

let harness: Harness;
let client: MemoryConnection;
let asked: Credentials[];
/** Replaces the authenticator's own answer. */
let answer: (() => Promise<Principal | undefined>) | undefined;

const authenticator: Authenticator = {
  authenticate: (credentials) => {
    asked.push(credentials);
    if (answer) return answer();
    const { passcode } = credentials;
    if (passcode === undefined) return Promise.resolve(undefined);
    if (passcode === 'bad') return Promise.reject(new AuthenticationError('authentication-failed', 'A bad token.'));
    if (passcode === 'old') return Promise.reject(new AuthenticationError('token-expired', 'An old token.'));
    return Promise.resolve(principalOf(JSON.parse(passcode) as Token));
  },
};
function principalOf({ name = 'ann', topics = ['a', 'b'], livesForMs }: Token): Principal {
  const life = livesForMs === undefined ? {} : { expiresAtMs: Date.now() + livesForMs };
  return { name, anonymous: false, claims: { topics }, ...life };
}
const policy: Policy = {
  allows: ({ claims }, _, { text }) =>
    !text.startsWith('/topic/') || (claims['topics'] as string[]).includes(text.slice('/topic/'.length)),
};

beforeEach(() => {
  useFakeTime();
  asked = [];
  answer = undefined;
  harness = new Harness({ authenticator, policy });
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const passcodeOf = (token: Token): string => JSON.stringify(token);
async function connect(token: Token = {}, extensions = ''): Promise<void> {
  client = await harness.connect({
    passcode: passcodeOf(token),
    ...(extensions && { 'relay-extensions': extensions }),
  });
}
/** CONNECT has no escapes in its headers; in those of SEND, STOMP 1.2 escapes colons. */
const escaped = (value: string): string => value.replaceAll(':', '\\c');
async function renew(token: Token | string, headers: Record<string, string> = {}): Promise<void> {
  const passcode = typeof token === 'string' ? token : escaped(passcodeOf(token));
  client.sendFrame('SEND', { destination: '/relay/auth', passcode, receipt: 'renewed', ...headers });
  await tick();
}
async function subscribe(...topics: string[]): Promise<void> {
  for (const topic of topics) client.sendFrame('SUBSCRIBE', { id: topic, destination: `/topic/${topic}` });
  await tick();
}
const answers = () => client.summary.slice(1);

describe('a token that ends', () => {
  test('ends the session: no more messages and no more SENDs', async () => {
    await connect({ livesForMs: 60_000 });
    await subscribe('a');
    await pass(59_000);
    harness.broker.emit('a', 'in time');
    await pass(1_200);
    harness.broker.emit('a', 'too late');
    client.sendFrame('SEND', { destination: '/topic/a' }, 'too late');
    await tick();
    expect(answers()).toEqual(['MESSAGE a in time', 'ERROR token-expired']);
    expect(client.closed?.code).toBe(4410);
    expect(harness.broker.publications).toEqual([]);
  });

  test('is announced once to a client with token-renewal', async () => {
    await connect({ livesForMs: 100_000 }, 'token-renewal');
    await pass(69_000);
    expect(answers()).toEqual([]);
    await pass(1_200);
    const warning = client.frames.at(-1);
    expect(warning?.headers).toMatchObject({ subscription: 'relay', destination: '/relay/token-expiring' });
    const inMs = Number(warning?.headers['expires-in-ms']);
    expect(inMs).toBeGreaterThan(29_000);
    expect(inMs).toBeLessThanOrEqual(30_000);
    expect(warning?.body.toString()).toContain('/relay/auth');
    await pass(30_000);
    expect(client.frames.map(({ command }) => command)).toEqual(['CONNECTED', 'MESSAGE', 'ERROR']);
  });

  test('leaves no timer after its connection', async () => {
    await connect({ livesForMs: 60_000 });
    client.vanish();
    expect(harness.timers.size).toBe(0);
  });

  test('is refused if it ended before CONNECT', async () => {
    const late = harness.open();
    late.sendFrame('CONNECT', { 'accept-version': '1.2', passcode: passcodeOf({ livesForMs: 0 }) });
    await tick();
    expect(late.summary).toEqual(['ERROR token-expired']);
    expect(late.closed?.code).toBe(4410);
  });
});

describe('a new token', () => {
  test('replaces the old one', async () => {
    await connect({ livesForMs: 60_000 }, 'token-renewal');
    await pass(50_000);
    await renew({ livesForMs: 60_000 });
    await pass(20_000);
    expect(answers().slice(1)).toEqual(['RECEIPT renewed']);
    expect(harness.sessions.get(client.id)?.info().expiresAtMs).toBe(Date.now() + 40_000);
    await pass(50_000);
    expect(client.frames.map(({ command }) => command)).toEqual([
      'CONNECTED',
      'MESSAGE',
      'RECEIPT',
      'MESSAGE',
      'ERROR',
    ]);
    expect(client.closed?.code).toBe(4410);
  });

  test('that never ends needs no timer', async () => {
    await connect({ livesForMs: 60_000 });
    await renew({});
    await pass(100_000);
    expect(answers()).toEqual(['RECEIPT renewed']);
  });

  test.each<[string, Record<string, string>, string]>([
    ['passcode', { passcode: 'T' }, ''],
    ['a header', { Authorization: 'Bearer T' }, ''],
    ['the body', {}, ' T\n'],
  ])(
    'can be in %s; the authenticator gets the same credentials as at CONNECT, without the upgrade headers',
    async (place, headers, body) => {
      await connect();
      answer = () => Promise.resolve(principalOf({}));
      client.sendFrame('SEND', { destination: '/relay/auth', login: 'ann', receipt: 'r', ...headers }, body);
      await tick();
      expect(answers()).toEqual(['RECEIPT r']);
      const { headers: seen, ...credentials } = asked[1]!;
      const passcode = place === 'a header' ? undefined : 'T';
      expect(credentials).toEqual({ login: 'ann', passcode, httpHeaders: {}, address: '192.0.2.1' });
      expect(seen.get('Authorization')).toBe(headers['Authorization']);
      expect(harness.broker.calls).toEqual([]);
    },
  );

  test('delays later frames, which are checked against it', async () => {
    await connect({ topics: ['a'] });
    const decision = new Decision<Principal>();
    answer = () => decision.promise;
    await renew({});
    client.sendFrame('SEND', { destination: '/topic/new', receipt: 's' }, 'x');
    await subscribe('new');
    expect(answers()).toEqual([]);
    decision.grant(principalOf({ topics: ['new'] }));
    await tick();
    expect(answers()).toEqual(['RECEIPT renewed', 'RECEIPT s']);
    harness.broker.emit('new', 'y');
    await tick();
    expect(answers().at(-1)).toBe('MESSAGE new y');
  });

  test.each([
    ['bad', 'authentication-failed', 4401],
    ['old', 'token-expired', 4410],
    [{ name: 'bob' }, 'authentication-failed', 4401],
  ] as const)('that is refused (%j) ends the session, also with soft-errors', async (token, code, closeCode) => {
    await connect({}, 'soft-errors');
    await renew(token);
    expect(answers()).toEqual([`ERROR ${code}`]);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('renewed');
    expect(client.closed?.code).toBe(closeCode);
  });

  test('of a user whose access was revoked in the meantime ends the session', async () => {
    let isRevoked = false;
    harness = new Harness({ authenticator, policy, isRevoked: () => isRevoked });
    await connect();
    isRevoked = true;
    await renew({});
    expect(answers()).toEqual(['ERROR revoked']);
    expect(client.closed?.code).toBe(4401);
  });

  test('must be present: without one the session ends', async () => {
    await connect();
    client.sendFrame('SEND', { destination: '/relay/auth' });
    await tick();
    expect(answers()).toEqual(['ERROR authentication-failed']);
  });

  test('that cannot be checked at the moment leaves a session with soft-errors as it is', async () => {
    await connect({ livesForMs: 60_000 }, 'soft-errors');
    answer = () => Promise.reject(new Error('database away'));
    await renew({});
    expect(client.frames.at(-1)?.headers).toMatchObject({
      destination: '/relay/errors',
      code: 'authentication-unavailable',
      'receipt-id': 'renewed',
      'refused-destination': '/relay/auth',
    });
    client.sendFrame('SEND', { destination: '/topic/a', receipt: 's' }, 'x');
    await tick();
    expect(answers().at(-1)).toBe('RECEIPT s');
    await pass(61_000);
    expect(answers().at(-1)).toBe('ERROR token-expired');
  });

  test('that cannot be checked at the moment ends a session without soft-errors, which may reconnect', async () => {
    await connect();
    answer = () => Promise.reject(new Error('database away'));
    await renew({});
    expect(answers()).toEqual(['ERROR authentication-unavailable']);
    expect(client.closed?.code).toBe(1013);
  });

  test('that is accepted only after the end of the old one is too late', async () => {
    await connect({ livesForMs: 5_000 });
    const decision = new Decision<Principal>();
    answer = () => decision.promise;
    await renew({});
    await pass(5_200);
    decision.grant(principalOf({ livesForMs: 60_000 }));
    await tick();
    expect(answers()).toEqual(['ERROR token-expired']);
  });

  test('cannot be part of a transaction', async () => {
    await connect({}, 'soft-errors');
    client.sendFrame('BEGIN', { transaction: 't' });
    await renew({}, { transaction: 't' });
    client.sendFrame('COMMIT', { transaction: 't' });
    await tick();
    expect(client.frames.slice(1).map(({ headers }) => headers['code'])).toEqual(['invalid-header', 'commit-failed']);
    expect(asked).toHaveLength(1);
  });

  test('is not accepted before CONNECT, nor at other destinations below /relay', async () => {
    const early = harness.open();
    early.sendFrame('SEND', { destination: '/relay/auth', passcode: '{}' });
    expect(early.summary).toEqual(['ERROR not-connected']);
    await connect();
    client.sendFrame('SEND', { destination: '/relay/other' });
    await tick();
    expect(answers()).toEqual(['ERROR invalid-destination']);
    expect(asked).toHaveLength(1);
  });

  test('has a maximum size', async () => {
    await connect();
    client.sendFrame('SEND', { destination: '/relay/auth' }, 'x'.repeat(20_000));
    await tick();
    expect(answers()).toEqual(['ERROR body-too-large']);
    expect(asked).toHaveLength(1);
  });
});

describe('permissions that a new token lacks', () => {
  test('end subscriptions but not the session, and the RECEIPT names them', async () => {
    await connect();
    await subscribe('a', 'b');
    client.sendFrame('SUBSCRIBE', { id: 'own,1', destination: '/topic/b', ack: 'client' });
    client.sendFrame('SUBSCRIBE', { id: 'q', destination: '/queue/q', ack: 'client' });
    await tick();
    const consumer = harness.broker.consumer('/topic/b');
    harness.broker.emit('b', 'before');
    await renew({ topics: ['a'] });
    for (const topic of ['a', 'b']) harness.broker.emit(topic, 'after');
    consumer.deliver('after');
    await tick();
    expect(answers()).toEqual(['MESSAGE b before', 'RECEIPT renewed', 'MESSAGE a after']);
    expect(client.frames.at(-2)?.headers['relay-ended-subscriptions']).toBe('b,own%2C1');
    expect(consumer.closedWith).toEqual({ forget: false });
    expect(harness.counters.errors).toEqual({ 'access-denied': 2 });
    expect(harness.broker.openSubscriptions.map(({ destination }) => destination.text)).toEqual(['/topic/a']);
    await renew({ topics: ['a', 'b'] });
    await subscribe('b');
    expect(client.frames.at(-1)?.headers).toEqual({ 'receipt-id': 'renewed' });
  });

  test('are checked in turns: many subscriptions with expensive rules delay no other session', async () => {
    const checks = jest.fn(() => true);
    harness = new Harness({ authenticator, policy: { allows: checks } });
    await connect();
    await subscribe('a', 'b', 'c', 'd');
    checks.mockClear();
    checks.mockImplementation(() => {
      jest.advanceTimersByTime(10);
      return true;
    });
    await renew({});
    expect(checks.mock.calls.length).toBeLessThan(4);
    while (answers().length === 0) await tick();
    expect(answers()).toEqual(['RECEIPT renewed']);
    expect(checks).toHaveBeenCalledTimes(4);
  });

  test('of all sessions together are checked for a slice of each turn', async () => {
    const checks = jest.fn(() => true);
    harness = new Harness({ authenticator, policy: { allows: checks } });
    const sessions: MemoryConnection[] = [];
    for (let count = 0; count < 3; count++) {
      await connect();
      await subscribe('a', 'b', 'c', 'd');
      sessions.push(client);
    }
    checks.mockImplementation(() => {
      jest.advanceTimersByTime(10);
      return true;
    });
    for (const each of sessions)
      each.sendFrame('SEND', { destination: '/relay/auth', passcode: passcodeOf({}), receipt: 'renewed' });
    await tick(); // the tokens, and a first check of each session
    for (let turn = 0; turn < 3; turn++) {
      checks.mockClear();
      await tick();
      expect(checks).toHaveBeenCalledTimes(1);
    }
    const isRenewed = ({ frames }: MemoryConnection) => frames.at(-1)?.headers['receipt-id'] === 'renewed';
    while (!sessions.every(isRenewed)) await tick();
    for (const each of sessions) each.vanish();
  });

  test('with soft-errors are reported as refusals of each SUBSCRIBE', async () => {
    await connect({}, 'soft-errors');
    await subscribe('a', 'b');
    await renew({ topics: [] });
    expect(
      client.frames.slice(1).map(({ headers }) => [headers['code'], headers['refused-command'], headers['refused-id']]),
    ).toEqual([
      ['access-denied', 'SUBSCRIBE', 'a'],
      ['access-denied', 'SUBSCRIBE', 'b'],
      [undefined, undefined, undefined],
    ]);
    expect(answers().at(-1)).toBe('RECEIPT renewed');
  });

  test('leave earlier deliveries acknowledgeable for a while', async () => {
    await connect();
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/b', ack: 'client-individual' });
    await tick();
    for (const body of ['1', '2']) harness.broker.consumer('/topic/b').deliver(body);
    const id = client.frames.at(-2)?.headers['ack'] ?? '';
    await renew({ topics: [] });
    client.sendFrame('ACK', { id });
    await pass(harness.options.ackGraceMs + 200);
    expect(harness.broker.settled).toEqual(['ack 1', 'requeue 2']);
    expect(answers().at(-1)).toBe('RECEIPT renewed');
  });

  test('for a SEND in a transaction make its COMMIT fail; other transactions are committed', async () => {
    await connect({}, 'soft-errors');
    for (const [transaction, topic] of [
      ['t', 'b'],
      ['u', 'a'],
    ] as const) {
      client.sendFrame('BEGIN', { transaction });
      client.sendFrame('SEND', { destination: `/topic/${topic}`, transaction }, transaction);
    }
    await renew({ topics: ['a'] });
    for (const transaction of ['t', 'u']) client.sendFrame('COMMIT', { transaction, receipt: transaction });
    await tick();
    expect(client.frames.slice(1).map(({ headers }) => headers['code'] ?? headers['receipt-id'])).toEqual([
      'renewed',
      'commit-failed',
      'u',
    ]);
    expect(harness.broker.publications.map(({ message }) => message.body.toString())).toEqual(['u']);
  });

  test('for the headers of a SEND in a transaction make its COMMIT fail', async () => {
    const replies: Policy = {
      allows: ({ claims }, _, { text }) => text !== '/queue/jobs' || (claims['topics'] as string[]).includes('jobs'),
    };
    harness = new Harness({ authenticator, policy: replies });
    await connect({ topics: ['jobs'] }, 'soft-errors');
    for (const [transaction, replyTo] of [
      ['t', '/queue/jobs'],
      ['u', '/queue/mine'],
    ] as const) {
      client.sendFrame('BEGIN', { transaction });
      client.sendFrame('SEND', { destination: '/topic/a', transaction, 'reply-to': replyTo }, transaction);
    }
    await renew({ topics: [] });
    for (const transaction of ['t', 'u']) client.sendFrame('COMMIT', { transaction, receipt: transaction });
    await tick();
    expect(harness.broker.publications.map(({ message }) => message.body.toString())).toEqual(['u']);
  });

  test('for the headers of a subscription end it', async () => {
    const jobs: Policy = {
      allows: ({ claims }, _, { text }) => text !== '/queue/jobs' || (claims['topics'] as string[]).includes('jobs'),
    };
    harness = new Harness({ authenticator, policy: jobs });
    await connect({ topics: ['jobs'] });
    client.sendFrame('SUBSCRIBE', { id: 'named', destination: '/topic/a', 'x-queue-name': 'jobs' });
    client.sendFrame('SUBSCRIBE', { id: 'other', destination: '/topic/a', ack: 'client' });
    await tick();
    await renew({ topics: [] });
    expect(client.frames.at(-1)?.headers['relay-ended-subscriptions']).toBe('named');
  });

  test('include those for which the policy does not answer', async () => {
    harness = new Harness({
      authenticator,
      policy: { allows: ({ claims }) => (claims['topics'] as string[]).length > 0 || new Promise(() => {}) },
    });
    await connect();
    await subscribe('a');
    await renew({ topics: [] });
    await pass(harness.options.connectTimeoutMs + 100);
    expect(answers()).toEqual(['RECEIPT renewed']);
    expect(client.frames.at(-1)?.headers['relay-ended-subscriptions']).toBe('a');
  });
});
