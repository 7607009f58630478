import { beforeEach, expect, test } from '@jest/globals';
import type { DurableDirectory } from '../../../../server/src/admin/durable-directory.js';
import { RelayOperations } from '../../../../server/src/admin/operations.js';
import { SessionDirectory } from '../../../../server/src/admin/session-directory.js';
import { Revocations } from '../../../../server/src/auth/revocations.js';
import type { Revocation } from '../../../../server/src/auth/revocations.js';
import { FakeSession, FakeSource } from '../session/observed-sessions.js';

let source: FakeSource;
let revocations: Revocations;
let announced: Revocation[];
let logged: { details: object; message: string }[];
let durable: Pick<DurableDirectory, 'list' | 'end' | 'revoke'>;
/** The user, whether it had sessions, and the ends of all sessions then. */
let durableEnded: string[];
let operations: RelayOperations;

beforeEach(() => {
  source = new FakeSource([new FakeSession('1'), new FakeSession('2'), new FakeSession('3', { user: 'bob' })]);
  revocations = new Revocations({ revocationsMax: 100, revocationKeepMs: 60_000 });
  announced = [];
  logged = [];
  const nothing = (): void => undefined;
  const info = (details: object, message: string): void => void logged.push({ details, message });
  const otherRelays = {
    announce: (revocation: Revocation) => {
      announced.push(revocation);
      return Promise.resolve(true);
    },
  };
  const log = { debug: nothing, info, warn: nothing, error: nothing };
  durable = {
    list: () => Promise.resolve({ items: [{ queue: 'q' }] }),
    end: () => Promise.resolve({ result: 'ended' }),
    revoke: (user, hadSessions) => {
      durableEnded.push(`${user} ${hadSessions} ${ended().join()}`);
      return Promise.resolve({ ended: 1 });
    },
  };
  durableEnded = [];
  operations = new RelayOperations(new SessionDirectory([source]), revocations, otherRelays, durable, log);
});

const ended = (): (string | undefined)[] =>
  [...source.all()].map((session) => (session as FakeSession).endedWith as string | undefined);

test('a revocation ends the sessions of the user, and is remembered, announced and logged', async () => {
  const result = await operations.revoke({ user: 'alice', reason: 'left', route: 'admin API' });
  expect(result).toEqual({
    user: 'alice',
    revokedAtMs: expect.any(Number),
    sessionsEnded: 2,
    othersTold: true,
    durableSubscriptionsEnded: 1,
  });
  expect(durableEnded).toEqual(['alice true revoked,revoked,']);
  expect(ended()).toEqual(['revoked', 'revoked', undefined]);
  expect(announced).toEqual([{ user: 'alice', revokedAtMs: result.revokedAtMs, reason: 'left' }]);
  expect([...revocations.all()]).toEqual(announced);
  expect(logged).toEqual([
    {
      details: { user: 'alice', reason: 'left', sessions: 2, route: 'admin API' },
      message: 'access of a user revoked',
    },
  ]);
});

test('a revocation that another relay announced before counts the sessions that it ended then', async () => {
  const revokedAtMs = Date.now();
  operations.onRevoked({ user: 'alice', revokedAtMs });
  source.add(new FakeSession('4'));
  const { sessionsEnded } = await operations.revoke({ user: 'alice', revokedAtMs, route: 'admin API' });
  expect(sessionsEnded).toBe(3);
  expect(logged.map(({ details }) => details)).toMatchObject([{ sessions: 3, route: 'another relay' }]);
});

test('the reason why durable subscriptions may remain is part of the result', async () => {
  durable.revoke = () => Promise.resolve({ ended: 0, unknown: 'Not known.' });
  const result = await operations.revoke({ user: 'alice', route: 'program' });
  expect(result).toMatchObject({ durableSubscriptionsEnded: 0, durableSubscriptionsUnknown: 'Not known.' });
});

test('a new revocation of another relay ends durable subscriptions here too, an earlier one spares them', async () => {
  operations.onLearned({ user: 'alice', revokedAtMs: Date.now() - 1_000 });
  operations.onRevoked({ user: 'bob', revokedAtMs: Date.now() });
  await operations.revoke({ user: 'other', route: 'program' });
  expect(durableEnded.map((each) => each.split(' ')[0])).toEqual(['bob', 'other']);
});

test('the end of a durable subscription is logged', async () => {
  expect(await operations.endDurable({ queue: 'q', route: 'admin API' })).toEqual({ result: 'ended' });
  expect(logged).toEqual([{ details: { queue: 'q', route: 'admin API' }, message: 'durable subscription ended' }]);
});

test('an earlier revocation from another relay spares sessions with a newer token', async () => {
  source.add(new FakeSession('4', { issuedAtMs: Date.now() }));
  operations.onLearned({ user: 'alice', revokedAtMs: Date.now() - 1_000 });
  await operations.revoke({ user: 'other', route: 'program' }); // is done after the earlier one
  expect(ended()).toEqual(['revoked', 'revoked', undefined, undefined]);
});

test('a known revocation is not applied again', async () => {
  const { revokedAtMs } = await operations.revoke({ user: 'alice', route: 'program' });
  operations.onLearned({ user: 'alice', revokedAtMs });
  await operations.revoke({ user: 'other', route: 'program' });
  expect(logged.map(({ details }) => (details as { user: string }).user)).toEqual(['alice', 'other']);
});

test('an invalid user name is refused', async () => {
  await expect(operations.revoke({ user: 'a\u0000', route: 'program' })).rejects.toThrow('control characters');
  expect([announced, logged]).toEqual([[], []]);
});

test('a kick is logged with the session and its user', async () => {
  expect(await operations.kick({ id: '9', route: 'program' })).toBeUndefined();
  expect(await operations.kick({ id: '3', route: 'program' })).toMatchObject({ id: '3', user: 'bob' });
  expect(ended()).toEqual([undefined, undefined, 'kicked']);
  expect(logged).toEqual([
    { details: { session: '3', user: 'bob', address: '192.0.2.1', route: 'program' }, message: 'session kicked' },
  ]);
});

test('revocations are read page by page, in the order of their users', async () => {
  for (const user of ['carol', 'alice', 'bob']) revocations.add({ user, revokedAtMs: Date.now() });
  const first = await operations.revocations({ limit: 2 });
  expect([first.items.map(({ user }) => user), first.next]).toEqual([['alice', 'bob'], 'bob']);
  const second = await operations.revocations({ limit: 2, after: 'bob' });
  expect([second.items.map(({ user }) => user), second.next]).toEqual([['carol'], undefined]);
});
