import { describe, expect, test } from '@jest/globals';
import { readHeaders } from '../../../../server/src/destinations/message-headers.js';

const ANN = { userName: 'ann', id: 's-1' };
const written = (sent: Record<string, string>, sender: { userName: string; id?: string } = ANN) =>
  Object.fromEntries(readHeaders(new Map(Object.entries(sent)), sender).headers);
/** The headers without user and session. */
function kept(sent: Record<string, string>) {
  const { user, session, ...others } = written(sent);
  expect([user, session]).toEqual(['ann', 's-1']);
  return others;
}

describe('readHeaders', () => {
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
  ])('removes %s', (name) => {
    expect(kept({ [name]: 'x', other: 'y' })).toEqual({ other: 'y' });
  });

  test('counts the characters of all sent headers, and an overhead for each', () => {
    const sent = new Map([
      ['receipt', '12'],
      ['x', 'é'],
    ]);
    expect(readHeaders(sent, ANN).bytes).toBe(11 + 2 * 128);
  });

  test('sets user and session, and no session without one', () => {
    const forged = { user: 'admin', session: 's-9' };
    expect(written(forged)).toEqual({ user: 'ann', session: 's-1' });
    expect(written(forged, { userName: 'a service' })).toEqual({ user: 'a service' });
  });
});
