import { createHmac, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { base64url } from 'jose';
import { JwtAuthenticator } from '../../../../../server/src/auth/jwt/jwt-authenticator.js';
import type { JwtOptions } from '../../../../../server/src/auth/jwt/jwt-authenticator.js';
import { createConfig } from '../../../../../server/src/config.js';
import { Inbox } from '../../../../../server/src/contract/test-inbox.js';
import { createIssuer, fileWith, nowSeconds } from '../../../../support/tokens.js';
import type { Algorithm } from '../../../../support/tokens.js';
import { presented } from '../credentials.js';

const open: JwtAuthenticator[] = [];

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** Creates the authenticator from a configuration, with its defaults. */
function createJwt(options: Partial<JwtOptions>, otherIssuers: string[] = []) {
  const { auth } = createConfig({ auth: { authenticators: [{ kind: 'jwt', ...(options as object) }] } });
  const debug = jest.fn<(details: object, message: string) => void>();
  const warnings = new Inbox<object>('warning');
  const infos = new Inbox<object>('info');
  const authenticator = new JwtAuthenticator(auth.authenticators[0] as JwtOptions, {
    isTrustedPage: ({ origin }) => origin === 'https://app.example',
    otherIssuers,
    log: { debug, warn: warnings.add, info: infos.add },
  });
  open.push(authenticator);
  const login = (passcode: string) => authenticator.authenticate(presented({ passcode }));
  return { authenticator, login, debug, warnings, infos };
}

const issuers = Object.fromEntries(
  (['RS256', 'ES256', 'EdDSA'] as const).map((each) => [each, createIssuer(each, each)]),
) as Record<Algorithm, ReturnType<typeof createIssuer>>;
/** Algorithms that only the option `algorithms` allows. */
const FURTHER = ['RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES384', 'ES512'] as const;
const SPKI = { type: 'spki', format: 'pem' } as const;
const es256 = issuers.ES256;
const pem = fileWith(es256.publicPem);
const refused = (message: RegExp, code = 'authentication-failed') => ({
  name: 'AuthenticationError',
  code,
  message: expect.stringMatching(message),
});
const part = (value: unknown): string => base64url.encode(typeof value === 'string' ? value : JSON.stringify(value));

describe('keys', () => {
  test.each(['RS256', 'ES256', 'EdDSA'] as const)('a public key in PEM verifies %s', async (algorithm) => {
    const { login } = createJwt({ keyFile: fileWith(issuers[algorithm].publicPem) });
    expect(await login(await issuers[algorithm].sign())).toMatchObject({ name: 'ann', anonymous: false });
  });

  test('a secret verifies HS256; a newline at the end of its file is not part of it', async () => {
    const issuer = createIssuer('HS256');
    const { login } = createJwt({ secretFile: fileWith(Buffer.concat([issuer.secret, Buffer.from('\n')])) });
    expect(await login(await issuer.sign())).toMatchObject({ name: 'ann' });
  });

  test.each(FURTHER)('%s is accepted only by name', async (alg) => {
    const issuer = alg.startsWith('ES') ? createIssuer(alg, 'key') : issuers.RS256;
    const token = await issuer.sign({}, { alg });
    const keySet = fileWith(JSON.stringify({ keys: [issuer.jwk, es256.jwk] }));
    for (const keyFile of [fileWith(issuer.publicPem), keySet]) {
      const { login } = createJwt({ keyFile, algorithms: [alg] });
      expect(await login(token)).toMatchObject({ name: 'ann' });
    }
    await expect(createJwt({ keyFile: keySet }).login(token)).rejects.toMatchObject(refused(/algorithm/));
  });

  test.each(['HS384', 'HS512'] as const)('a secret verifies %s only by name', async (algorithm) => {
    const issuer = createIssuer(algorithm);
    const secretFile = fileWith(Buffer.concat([issuer.secret, Buffer.from('\n')]));
    const token = await issuer.sign();
    const named = createJwt({ secretFile, algorithms: ['HS256', algorithm] });
    expect(await named.login(token)).toMatchObject({ name: 'ann' });
    await expect(createJwt({ secretFile }).login(token)).rejects.toMatchObject(refused(/algorithm/));
  });

  test('a key in a set is for the algorithm that it names', async () => {
    const keyFile = fileWith(JSON.stringify({ keys: [{ ...issuers.RS256.jwk, alg: 'PS256' }] }));
    const { login } = createJwt({ keyFile, algorithms: ['RS256', 'PS256'] });
    expect(await login(await issuers.RS256.sign({}, { alg: 'PS256' }))).toMatchObject({ name: 'ann' });
    await expect(login(await issuers.RS256.sign())).rejects.toMatchObject(refused(/algorithm/));
    expect(() => createJwt({ keyFile })).toThrow(/its keys are for PS256, but algorithms allows only RS256, ES256/);
  });

  test('a key of another kind than the algorithm verifies nothing', async () => {
    const es384 = createIssuer('ES384', 'ES384');
    const keyFile = fileWith(JSON.stringify({ keys: [es384.jwk, issuers.RS256.jwk] }));
    const { login } = createJwt({ keyFile, algorithms: ['ES384', 'PS512'] });
    for (const token of [
      await es384.sign({}, { kid: 'RS256' }),
      await issuers.RS256.sign({}, { alg: 'PS512', kid: 'ES384' }),
    ]) {
      await expect(login(token)).rejects.toMatchObject(refused(/key \(kid, alg\)/));
    }
  });

  test('Ed25519 is another name for EdDSA', async () => {
    const { login } = createJwt({ keyFile: fileWith(issuers.EdDSA.publicPem), algorithms: ['EdDSA'] });
    expect(await login(await issuers.EdDSA.sign({}, { alg: 'Ed25519' }))).toMatchObject({ name: 'ann' });
  });

  test('a key set selects the key by kid, and may hold keys for other uses', async () => {
    const keys = [...Object.values(issuers).map(({ jwk }) => jwk), { kty: 'oct', k: 'AAAA' }, { kty: 'new' }];
    const { login } = createJwt({ keyFile: fileWith(JSON.stringify({ keys })) });
    for (const issuer of Object.values(issuers)) expect(await login(await issuer.sign())).toBeDefined();
    await expect(login(await es256.sign({}, { kid: 'RS256' }))).rejects.toMatchObject(refused(/key \(kid, alg\)/));
    await expect(login(await es256.sign({}, { kid: 'unknown' }))).rejects.toMatchObject(
      refused(/does not know the key/),
    );
  });

  test('a token must name one of several keys', async () => {
    const keys = [createIssuer('ES256', 'a').jwk, createIssuer('ES256', 'b').jwk];
    const { login } = createJwt({ keyFile: fileWith(JSON.stringify({ keys })) });
    await expect(login(await es256.sign({}, { kid: undefined }))).rejects.toMatchObject(refused(/needs a kid/));
  });

  test.each([
    ['a short secret', { secretFile: fileWith('x'.repeat(31)) }, /secretFile .*at least 32 bytes/],
    [
      'a secret too short for HS512',
      { secretFile: fileWith('x'.repeat(63)), algorithms: ['HS256', 'HS512'] },
      /at least 64 bytes \(HS512\)/,
    ],
    [
      'a P-384 key without algorithms',
      { keyFile: fileWith(createIssuer('ES384').publicPem) },
      /for ES384, but .*only RS256/,
    ],
    ['a short secret with a newline', { secretFile: fileWith(`${'x'.repeat(31)}\n`) }, /at least 32 bytes/],
    ['a public key as secret', { secretFile: fileWith(es256.publicPem) }, /holds a PEM key, not a secret/],
    ['a private key', { keyFile: fileWith(es256.privateKey.export({ type: 'pkcs8', format: 'pem' })) }, /private key/],
    [
      'a private key in a set',
      { keyFile: fileWith(JSON.stringify({ keys: [es256.privateKey.export({ format: 'jwk' })] })) },
      /private key/,
    ],
    ['a set without keys', { keyFile: fileWith('{"keys":[]}') }, /no key for RS256/],
    ['half a set', { keyFile: fileWith('{"keys": SECRET') }, /does not hold a JSON web key set/],
    ['a word', { keyFile: fileWith('SECRET') }, /neither a public key in PEM/],
    ['a file that is not there', { keyFile: '/nowhere/key.pem' }, /keyFile \/nowhere\/key\.pem: ENOENT/],
    ['a key for other algorithms', { keyFile: pem, algorithms: ['RS256'] as const }, /are for ES256.* only RS256/],
    [
      'a small RSA key',
      { keyFile: fileWith(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export(SPKI)) },
      /at least 2048 bits/,
    ],
    ['another curve', { keyFile: fileWith(generateKeyPairSync('ed448').publicKey.export(SPKI)) }, /RSA, P-256/],
  ])('%s is refused, with a reason that does not quote the file', (_, options, sentence) => {
    expect(() => createJwt(options as never)).toThrow(sentence);
    expect(() => createJwt(options as never)).not.toThrow(/SECRET/);
  });

  test('a key file is read again when it changes', async () => {
    const [old, next] = [createIssuer('ES256'), createIssuer('RS256')];
    const keyFile = fileWith(old.publicPem);
    const { login, infos } = createJwt({ keyFile });
    expect(await login(await old.sign())).toBeDefined();
    writeFileSync(keyFile, next.publicPem);
    await infos.next();
    expect(await login(await next.sign())).toBeDefined();
    await expect(login(await old.sign())).rejects.toMatchObject(refused(/algorithm/));
  });
});

describe('a forged token is refused', () => {
  const claims = { sub: 'eve', exp: nowSeconds() + 3_600 };

  test.each(['none', 'None', 'NONE', ''])('alg %j, with and without a signature', async (alg) => {
    const { login } = createJwt({ keyFile: pem });
    const [, , signature] = (await es256.sign()).split('.');
    for (const end of ['', signature]) {
      await expect(login(`${part({ alg })}.${part(claims)}.${end}`)).rejects.toMatchObject(
        refused(/algorithm|malformed/),
      );
    }
  });

  test('HS256 with the public key as its secret, in any encoding', async () => {
    const { publicPem } = issuers.RS256;
    const der = Buffer.from(publicPem.replace(/-----[A-Z ]+-----|\n/g, ''), 'base64');
    for (const keyFile of [fileWith(publicPem), fileWith(JSON.stringify({ keys: [issuers.RS256.jwk] }))]) {
      const { login } = createJwt({ keyFile });
      for (const secret of [publicPem, publicPem.trim(), der, JSON.stringify(issuers.RS256.jwk)]) {
        const input = `${part({ alg: 'HS256', kid: 'RS256' })}.${part(claims)}`;
        const signature = createHmac('sha256', secret).update(input).digest('base64url');
        await expect(login(`${input}.${signature}`)).rejects.toMatchObject(refused(/algorithm/));
      }
    }
  });

  test('another algorithm of the same key type', async () => {
    const { login } = createJwt({ keyFile: fileWith(issuers.RS256.publicPem) });
    await expect(login(await issuers.RS256.sign({}, { alg: 'PS256' }))).rejects.toMatchObject(refused(/algorithm/));
  });

  test('a key in the token itself', async () => {
    const eve = createIssuer('ES256', 'ES256');
    const header = { jwk: eve.jwk, jku: 'http://127.0.0.1:1/jwks', x5u: 'http://127.0.0.1:1/cert', x5c: ['MIIB'] };
    for (const keyFile of [pem, fileWith(JSON.stringify({ keys: [es256.jwk] }))]) {
      const { login } = createJwt({ keyFile });
      await expect(login(await eve.sign({}, header))).rejects.toMatchObject(refused(/signature is wrong/));
    }
  });

  test.each(['../../../../dev/null', '/dev/null', "' OR 1=1 --", '__proto__', 'constructor', 7, ['ES256'], { a: 1 }])(
    'a token with the kid %j',
    async (kid) => {
      const keyFile = fileWith(JSON.stringify({ keys: [es256.jwk] }));
      const { login } = createJwt({ keyFile });
      const input = `${part({ alg: 'ES256', kid })}.${part(claims)}`;
      await expect(login(`${input}.${part('x'.repeat(64))}`)).rejects.toMatchObject(refused(/does not know the key/));
    },
  );

  test('changed claims, a truncated signature, and parts that are not JSON', async () => {
    const { login } = createJwt({ keyFile: pem });
    const [header = '', payload = '', signature = ''] = (await es256.sign()).split('.');
    const wrong = refused(/signature is wrong|malformed/);
    await expect(login(`${header}.${part(claims)}.${signature}`)).rejects.toMatchObject(wrong);
    await expect(login(`${header}.${payload}.${signature.slice(0, -4)}`)).rejects.toMatchObject(wrong);
    await expect(login(`${header}.${payload}.`)).rejects.toMatchObject(wrong);
    await expect(login(`${header}..${signature}`)).rejects.toMatchObject(wrong);
    await expect(login(`${part({ alg: 'ES256', crit: ['x'], x: 1 })}.${payload}.${signature}`)).rejects.toMatchObject(
      wrong,
    );
  });

  test('the log has the reason at debug, without the token', async () => {
    const { login, debug } = createJwt({ keyFile: pem });
    const token = await createIssuer('ES256').sign();
    await expect(login(token)).rejects.toMatchObject(refused(/signature/));
    expect(debug).toHaveBeenCalledWith(
      {
        address: '127.0.0.1',
        code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED',
        reason: expect.any(String),
        claim: undefined,
      },
      'a token was refused',
    );
    for (const piece of token.split('.')) expect(JSON.stringify(debug.mock.calls)).not.toContain(piece);
  });
});

describe('claims', () => {
  const now = nowSeconds();

  test('become the principal', async () => {
    const { login } = createJwt({ keyFile: pem, clockSkewSeconds: 10 });
    const claims = { sub: 'ann', iat: now - 5, exp: now + 60, roles: ['a'] };
    expect(await login(await es256.sign(claims))).toEqual({
      name: 'ann',
      anonymous: false,
      claims,
      issuedAtMs: (now - 5) * 1_000,
      expiresAtMs: (now + 70) * 1_000,
    });
  });

  test('a token without a time of issue counts as the oldest possible, so a revocation refuses it', async () => {
    const { login } = createJwt({ keyFile: pem });
    expect(await login(await es256.sign({ iat: undefined }))).toMatchObject({ issuedAtMs: 0 });
  });

  test('the name comes from nameClaim', async () => {
    const { login } = createJwt({ keyFile: pem, nameClaim: 'https://example.com/name' });
    expect(await login(await es256.sign({ 'https://example.com/name': 'Ann' }))).toMatchObject({ name: 'Ann' });
    for (const name of [undefined, 7, null, ['ann']]) {
      const token = await es256.sign({ 'https://example.com/name': name });
      await expect(login(token)).rejects.toMatchObject(refused(/claim "https:\/\/example.com\/name" must be a text/));
    }
    const inherited = createJwt({ keyFile: pem, nameClaim: 'constructor' });
    await expect(inherited.login(await es256.sign())).rejects.toMatchObject(
      refused(/claim "constructor" must be a text/),
    );
  });

  test.each([
    ['has expired', { exp: now - 31 }, {}, /has expired/, 'token-expired'],
    ['has no expiry', { exp: undefined }, {}, /no claim "exp"/],
    ['has a text as its expiry', { exp: 'tomorrow' }, {}, /"exp" is of the wrong type/],
    ['is not valid yet', { nbf: now + 120 }, {}, /not valid yet/],
    ['is older than maxAgeSeconds', { iat: now - 200 }, { maxAgeSeconds: 100 }, /has expired/, 'token-expired'],
    ['has no time of issue', { iat: undefined }, { maxAgeSeconds: 100 }, /no claim "iat"/],
    [
      'is from the future',
      { iat: now + 120 },
      {},
      /time of issue \(iat\) is in the future, by more than clockSkewSeconds/,
    ],
    [
      'is from the future, with maxAgeSeconds',
      { iat: now + 120 },
      { maxAgeSeconds: 100 },
      /time of issue \(iat\) is in the/,
    ],
    ['is for another service', { aud: 'b' }, { audience: 'a' }, /for another service/],
    ['is for several other services', { aud: ['b', 'c'] }, { audience: ['a', 'd'] }, /for another service/],
    ['has no audience', {}, { audience: 'a' }, /no claim "aud"/],
    ['is from another issuer', { iss: 'https://b.example' }, { issuer: 'https://a.example' }, /from an issuer/],
    ['has no issuer', {}, { issuer: 'https://a.example' }, /no claim "iss"/],
  ])('a token that %s is refused', async (_, claims, options, sentence, code = 'authentication-failed') => {
    const { login } = createJwt({ keyFile: pem, ...options });
    await expect(login(await es256.sign(claims))).rejects.toMatchObject(refused(sentence, code));
  });

  test.each([
    ['expired within the clock skew', { exp: now - 20 }, {}],
    ['becomes valid within the clock skew', { nbf: now + 20 }, {}],
    ['was issued in the future within the clock skew', { iat: now + 20 }, {}],
    ['has no expiry (requireExpiry: false)', { exp: undefined }, { requireExpiry: false }],
    ['is for several services, including the relay', { aud: ['b', 'a'] }, { audience: ['a', 'd'] }],
    ['is from one of several issuers', { iss: 'y' }, { issuer: ['x', 'y'] }],
  ])('a token that %s is accepted', async (_, claims, options) => {
    const { login } = createJwt({ keyFile: pem, ...options });
    expect(await login(await es256.sign(claims))).toMatchObject({ name: 'ann' });
  });

  test('a token without an expiry ends at maxAgeSeconds, or never without that limit', async () => {
    const claims = { iat: now - 10, exp: undefined };
    const bounded = createJwt({ keyFile: pem, requireExpiry: false, maxAgeSeconds: 100, clockSkewSeconds: 0 });
    expect((await bounded.login(await es256.sign(claims)))?.expiresAtMs).toBe((now + 90) * 1_000);
    const unbounded = createJwt({ keyFile: pem, requireExpiry: false });
    expect((await unbounded.login(await es256.sign(claims)))?.expiresAtMs).toBeUndefined();
  });

  test('an expiry beyond all dates becomes the last date', async () => {
    const { login } = createJwt({ keyFile: pem });
    expect((await login(await es256.sign({ exp: 1e300 })))?.expiresAtMs).toBe(8.64e15);
  });
});

describe('bounds', () => {
  test('a token that is too long is refused with the limit', async () => {
    const { login } = createJwt({ keyFile: pem, tokenMaxBytes: 1_000 });
    await expect(login(await es256.sign({ x: 'y'.repeat(1_000) }))).rejects.toMatchObject(
      refused(/tokenMaxBytes \(1000\)/),
    );
  });

  test('beyond verificationsMax a token gets authentication-unavailable', async () => {
    const { login } = createJwt({ keyFile: pem, verificationsMax: 2 });
    const token = await es256.sign();
    const answers = await Promise.allSettled([login(token), login(token), login(token)]);
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
    expect((answers[2] as PromiseRejectedResult).reason).toMatchObject(
      refused(/try again/, 'authentication-unavailable'),
    );
    expect(await login(token)).toBeDefined();
  });
});

describe('beside other authenticators', () => {
  test.each([undefined, '', 'secret', 'a.b.c', 'eyJhbGciOiJIUzI1NiJ9', 'x.y', `${part({ a: 1 })}.e30.x`, 'a.b.c.d.e'])(
    'the passcode %j is left to other authenticators',
    async (passcode) => {
      const { authenticator } = createJwt({ keyFile: pem });
      expect(await authenticator.authenticate(presented({ passcode, login: 'ann' }))).toBeUndefined();
    },
  );

  test('a token of an issuer of another authenticator is left to that authenticator', async () => {
    const { login } = createJwt({ keyFile: pem, issuer: 'https://a.example' }, ['https://b.example']);
    expect(await login(await createIssuer().sign({ iss: 'https://b.example' }))).toBeUndefined();
    await expect(login(await createIssuer().sign({ iss: 'https://a.example' }))).rejects.toMatchObject(
      refused(/signature/),
    );
    await expect(login(await createIssuer().sign())).rejects.toMatchObject(refused(/signature/));
  });
});
