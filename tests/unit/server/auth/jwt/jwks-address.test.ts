import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { errors, jwtVerify } from 'jose';
import { JwksAddress } from '../../../../../server/src/auth/jwt/jwks-address.js';
import type { JwksOptions } from '../../../../../server/src/auth/jwt/jwks-address.js';
import { Inbox } from '../../../../../server/src/contract/test-inbox.js';
import { eventually } from '../../../../support/deadline.js';
import { startKeyServer } from '../../../../support/key-server.js';
import type { KeyServer } from '../../../../support/key-server.js';
import { createIssuer } from '../../../../support/tokens.js';
import type { TokenIssuer } from '../../../../support/tokens.js';

const WAIT_MS = 5_000;
const [first, second] = [createIssuer('ES256', '1'), createIssuer('ES256', '2')];
const open: JwksAddress[] = [];
let server: KeyServer;

const unavailable = (message: RegExp) => ({
  name: 'AuthenticationError',
  code: 'authentication-unavailable',
  message: expect.stringMatching(message),
});

beforeEach(async () => {
  server = await startKeyServer(first);
});

afterEach(async () => {
  for (const each of open.splice(0)) each.close();
  await server.close();
});

function openAddress(options: Partial<JwksOptions> = {}) {
  const warnings = new Inbox<{ reason: string }>('warning');
  const infos = new Inbox<object>('info');
  const address = new JwksAddress(
    {
      jwksUrl: server.url,
      jwksRefreshMs: 60_000,
      jwksCooldownMs: 60_000,
      jwksTimeoutMs: WAIT_MS,
      ...options,
    },
    { warn: warnings.add, info: infos.add },
  );
  open.push(address);
  const verify = async (issuer: TokenIssuer) => {
    const { payload } = await jwtVerify(await issuer.sign(), address.value.find, {
      algorithms: [...address.value.algorithms],
    });
    return payload.sub;
  };
  return { address, verify, warnings, infos };
}

describe('keys are fetched', () => {
  test('once at the start, for all logins', async () => {
    const { verify } = openAddress();
    await server.requests.next();
    expect(await Promise.all([verify(first), verify(first), verify(first)])).toEqual(['ann', 'ann', 'ann']);
    expect(await verify(first)).toBe('ann');
    expect(server.requests.all).toHaveLength(1);
  });

  test('again when a token names an unknown key; all such tokens share one request', async () => {
    const { verify } = openAddress({ jwksCooldownMs: 0 });
    expect(await verify(first)).toBe('ann');
    server.publish(second);
    expect(await Promise.all([verify(second), verify(second), verify(second)])).toEqual(['ann', 'ann', 'ann']);
    expect(server.requests.all).toHaveLength(2);
    await expect(verify(first)).rejects.toBeInstanceOf(errors.JWKSNoMatchingKey);
  });

  test('not again within the cooldown: a token with an unknown key gets authentication-unavailable', async () => {
    const { verify } = openAddress();
    expect(await verify(first)).toBe('ann');
    server.publish(first, second);
    await expect(verify(second)).rejects.toMatchObject(unavailable(/fetched its keys a moment ago/));
    expect(server.requests.all).toHaveLength(1);
  });

  test('again when they are old, while the old keys stay in use', async () => {
    const { verify } = openAddress({ jwksRefreshMs: 0 });
    await server.requests.next();
    expect(await verify(first)).toBe('ann');
    server.answer = () => undefined; // never answers
    expect(await verify(first)).toBe('ann');
    await server.requests.next();
    expect(await verify(first)).toBe('ann');
  });
});

describe('while the keys cannot be fetched', () => {
  test('tokens get authentication-unavailable until a fetch succeeds, which is logged', async () => {
    server.answer = (response) => response.writeHead(503).end();
    const { verify, warnings, infos } = openAddress();
    expect(await warnings.next()).toMatchObject({ reason: 'HTTP status 503, not 200' });
    await expect(verify(first)).rejects.toMatchObject(unavailable(/cannot fetch the keys .* now/));
    expect(server.requests.all).toHaveLength(1); // no second request within the pause
    server.publish(first);
    const name = await eventually(
      () => verify(first).catch(() => undefined),
      WAIT_MS,
      () => 'not verified',
    );
    expect(name).toBe('ann');
    expect(infos.all).toHaveLength(1);
    expect(warnings.all).toHaveLength(1);
  });

  test('the known keys stay in use', async () => {
    const { verify, warnings } = openAddress({ jwksRefreshMs: 0 });
    expect(await verify(first)).toBe('ann');
    await server.close();
    expect(await verify(first)).toBe('ann');
    await warnings.next();
    expect(await verify(first)).toBe('ann');
  });

  test.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['a page', (response) => response.end('<html>secret</html>'), /^the answer is not a JSON web key set$/],
    ['other JSON', (response) => response.end('{"keys":{}}'), /^the answer is not a JSON web key set$/],
    ['too much', (response) => response.end(`{"keys":[${'1,'.repeat(200_000)}1]}`), /more than 262144 bytes/],
    ['a redirect', (response) => response.writeHead(302, { location: '/other' }).end(), /HTTP status 302/],
    ['nothing', () => undefined, /timeout/i],
  ])('a bad answer is a failure with its reason in the log: %s', async (_, answer, reason) => {
    server.answer = answer;
    const { verify, warnings } = openAddress({ jwksTimeoutMs: 200 });
    expect((await warnings.next()).reason).toMatch(reason);
    await expect(verify(first)).rejects.toMatchObject(unavailable(/cannot fetch the keys .* now/));
    expect(server.requests.all).toHaveLength(1);
  });
});

test('close() aborts a running fetch without a warning', async () => {
  server.answer = () => undefined;
  const { address, verify, warnings } = openAddress();
  await server.requests.next();
  const answer = verify(first);
  address.close();
  await expect(answer).rejects.toMatchObject(unavailable(/cannot fetch the keys .* now/));
  expect(warnings.all).toEqual([]);
});
