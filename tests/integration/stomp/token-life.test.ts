/** A session ends with its token, or renews it: over both transports, with real time. */
import { describe, expect, test } from '@jest/globals';
import { AuthenticationError } from '../../../server/src/auth/auth.js';
import type { Authenticator, Policy } from '../../../server/src/auth/auth.js';
import { TRANSPORTS } from '../../support/relay.js';
import { bodiesUntilNow, expectRefusal, nextBody, stageRelays, unique } from './relay-stage.js';

/** A token has a name, topics and an optional life in milliseconds: `ann news,chat 1000`. */
const authenticator: Authenticator = {
  authenticate: ({ passcode = '' }) => {
    const [name, topics, livesForMs] = passcode.split(' ');
    if (!name || !topics) return Promise.reject(new AuthenticationError('authentication-failed', 'Not a token.'));
    const life = livesForMs === undefined ? {} : { expiresAtMs: Date.now() + Number(livesForMs) };
    return Promise.resolve({ name, anonymous: false, claims: { topics: topics.split(',') }, ...life });
  },
};
const policy: Policy = {
  allows: ({ claims }, _, { text }) =>
    text.startsWith('/topic/fence') || (claims['topics'] as string[]).some((topic) => text === `/topic/${topic}`),
};

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('memory', { hooks: { authenticator, policy } });

  test('a session ends when its token expires, and other sessions stay', async () => {
    const [brief, long] = [
      await stage.connect(transport, { passcode: 'ann a 300' }),
      await stage.connect(transport, { passcode: 'ann a' }),
    ];
    await expectRefusal(brief, 'token-expired', undefined, 4410);
    expect(await bodiesUntilNow(long)).toEqual([]);
  });

  test('the relay announces the expiry of a token, and the session continues with a new token', async () => {
    const [topic, headers] = [unique(), { 'relay-extensions': 'token-renewal' }];
    const client = await stage.connect(transport, { passcode: `ann ${topic} 1000`, ...headers });
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${topic}` });
    const { headers: announced } = await client.expectFrame('MESSAGE', { destination: '/relay/token-expiring' });
    expect(Number(announced['expires-in-ms'])).toBeLessThanOrEqual(500);
    await client.receipt('SEND', { destination: '/relay/auth', passcode: `ann ${topic} 2000` });
    // a second later: the first token has expired
    await client.expectFrame('MESSAGE', { destination: '/relay/token-expiring' });
    client.sendFrame('SEND', { destination: `/topic/${topic}` }, 'x');
    expect(await nextBody(client, { subscription: 's' })).toBe('x');
    await expectRefusal(client, 'token-expired', undefined, 4410);
  });

  test('a new token ends the subscriptions that it does not allow, in order with other frames', async () => {
    const [old, kept, next] = [unique('old'), unique('kept'), unique('next')];
    const client = await stage.connect(transport, { passcode: `ann ${old},${kept}` });
    for (const topic of [old, kept]) await client.receipt('SUBSCRIBE', { id: topic, destination: `/topic/${topic}` });
    client.sendFrame('SEND', { destination: `/topic/${old}` }, 'before');
    client.sendFrame('SEND', { destination: '/relay/auth', receipt: 'r' }, `ann ${kept},${next}`);
    client.sendFrame('SEND', { destination: `/topic/${next}`, receipt: 'allowed' }, 'x');
    expect(await nextBody(client, { subscription: old })).toBe('before');
    await client.expectFrame('RECEIPT', { 'receipt-id': 'r', 'relay-ended-subscriptions': old });
    await client.expectFrame('RECEIPT', { 'receipt-id': 'allowed' });
    const other = await stage.connect(transport, { passcode: `bob ${old},${kept}` });
    for (const topic of [old, kept]) await other.receipt('SEND', { destination: `/topic/${topic}` }, `to ${topic}`);
    expect(await bodiesUntilNow(client)).toEqual([`to ${kept}`]);
    client.sendFrame('SEND', { destination: `/topic/${old}`, receipt: 'refused' }, 'x');
    await expectRefusal(client, 'access-denied', 'refused', 4403);
  });

  test.each([
    ['a malformed token', 'nonsense'],
    ['a token of another user', 'bob a'],
  ])('a renewal with %s ends the session, without a request to reconnect', async (_, token) => {
    const client = await stage.connect(transport, { passcode: 'ann a' });
    client.sendFrame('SEND', { destination: '/relay/auth', receipt: 'r', passcode: token });
    await expectRefusal(client, 'authentication-failed', 'r', 4401);
  });
});
