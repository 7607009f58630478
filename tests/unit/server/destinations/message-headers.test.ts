import { describe, expect, test } from '@jest/globals';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { messageHeaders, targetSession } from '../../../../server/src/destinations/message-headers.js';

const ANN = { userName: 'ann', id: 's-1' };
const written = (sent: Record<string, string>, replyTo?: string, sender: { userName: string; id?: string } = ANN) =>
  Object.fromEntries(messageHeaders(new Map(Object.entries(sent)), replyTo, sender));
/** Without the stamp. */
function kept(sent: Record<string, string>, replyTo?: string) {
  const { user, session, ...others } = written(sent, replyTo);
  expect([user, session]).toEqual(['ann', 's-1']);
  return others;
}

describe('messageHeaders', () => {
  test("passes a user's headers through, in their order", () => {
    const sent = { 'content-type': 'text/plain', z: '1', a: '2', persistent: 'true', priority: '3' };
    expect(kept(sent)).toEqual(sent);
    expect(Object.keys(kept(sent))).toEqual(Object.keys(sent));
  });

  test.each([
    'destination',
    'subscription',
    'message-id',
    'ack',
    'redelivered',
    'content-length',
    'receipt',
    'transaction',
    'id',
    'mandatory',
    'user',
    'session',
    'relay-session',
    'relay-resent',
    'relay-id',
    'relay-anything',
  ])('keeps back %s', (name) => {
    expect(kept({ [name]: 'x', other: 'y' })).toEqual({ other: 'y' });
  });

  test('puts the address of a temporary queue in the place of its name', () => {
    expect(kept({ 'reply-to': '/temp-queue/a' }, '/reply-queue/xyz')).toEqual({ 'reply-to': '/reply-queue/xyz' });
    expect(kept({ 'reply-to': '/queue/a' }, '/queue/a')).toEqual({ 'reply-to': '/queue/a' });
  });

  test('says who sends, and who has no session has none', () => {
    const forged = { user: 'admin', session: 's-9' };
    expect(written(forged)).toEqual({ user: 'ann', session: 's-1' });
    expect(written(forged, undefined, { userName: 'a service' })).toEqual({ user: 'a service' });
  });
});

test('a session is meant only among those of a user', () => {
  const target = (to: string, sent: Record<string, string>) =>
    targetSession(new Map(Object.entries(sent)), parseDestination(to, 'send'));
  expect(target('/user/ann/queue/x', { session: 's-2' })).toBe('s-2');
  expect(target('/user/ann/queue/x', {})).toBeUndefined();
  for (const to of ['/topic/a', '/queue/a', '/exchange/e/k']) expect(target(to, { session: 's-2' })).toBeUndefined();
});
