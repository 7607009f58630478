import { describe, expect, jest, test } from '@jest/globals';
import { base64url } from 'jose';
import { findToken } from '../../../../../server/src/auth/jwt/token-places.js';
import type { TokenPlace } from '../../../../../server/src/auth/jwt/token-places.js';
import { fc } from '../../../../support/properties.js';
import { presented } from '../credentials.js';

const token = (name: string) => `${base64url.encode('{"alg":"ES256"}')}.${base64url.encode(name)}.c2ln`;
const find = (
  credentials: Parameters<typeof presented>[0],
  from: readonly TokenPlace[] = ['passcode', 'authorization', 'subprotocol', 'cookie'],
  isTrusted = true,
) =>
  findToken(
    presented(credentials),
    { from, cookieName: from.includes('cookie') ? 'token' : undefined },
    () => isTrusted,
  );

const A = token('a');
const PLACES: readonly (readonly [TokenPlace, Parameters<typeof presented>[0]])[] = [
  ['passcode', { headers: { passcode: A } }],
  ['passcode', { headers: { passcode: `Bearer ${A}` } }],
  ['authorization', { headers: { Authorization: `Bearer ${A}` } }],
  ['authorization', { headers: { authorization: `bearer  ${A}` } }],
  ['authorization', { httpHeaders: { authorization: `BEARER ${A}` } }],
  ['subprotocol', { httpHeaders: { 'sec-websocket-protocol': `v12.stomp, bearer.${A}` } }],
  ['subprotocol', { httpHeaders: { 'sec-websocket-protocol': `bearer.${A},v12.stomp` } }],
  ['cookie', { httpHeaders: { cookie: `a=b; token=${A}; c` } }],
];

describe('a token is found', () => {
  test.each(PLACES)('in %s, and only if that is a configured place: %j', (place, credentials) => {
    const others = (['passcode', 'authorization', 'subprotocol', 'cookie'] as const).filter((each) => each !== place);
    expect(find(credentials)).toBe(A);
    expect(find(credentials, [place])).toBe(A);
    expect(find(credentials, others)).toBeUndefined();
  });

  test('in the first place that has one, regardless of other credentials', () => {
    const httpHeaders = { 'sec-websocket-protocol': `v12.stomp, bearer.${token('d')}`, cookie: `token=${token('e')}` };
    const Authorization = `Bearer ${token('b')}`;
    const all = { ...httpHeaders, authorization: `Bearer ${token('c')}` };
    expect(find({ headers: { passcode: A, Authorization }, httpHeaders: all })).toBe(A);
    expect(find({ headers: { passcode: 'secret', Authorization }, httpHeaders: all })).toBe(token('b'));
    expect(find({ headers: { Authorization: 'Basic x' }, httpHeaders: all })).toBe(token('c'));
    expect(find({ httpHeaders })).toBe(token('d'));
  });
});

test('a header that is far too long is not decoded', () => {
  const long = base64url.encode(JSON.stringify({ alg: 'ES256', x: 'x'.repeat(6_300) }));
  expect(long.length).toBeGreaterThan(8_192);
  expect(find({ headers: { passcode: `${long}.e30.c2ln` } })).toBeUndefined();
  const short = base64url.encode(JSON.stringify({ alg: 'ES256', x: 'x'.repeat(6_000) }));
  expect(find({ headers: { passcode: `${short}.e30.c2ln` } })).toBe(`${short}.e30.c2ln`);
});

describe('a cookie', () => {
  const cookie = { cookie: `token=${A}` };

  test.each([
    { headers: { login: 'ann' } },
    { headers: { passcode: 'secret' } },
    { headers: { Authorization: 'Basic x' } },
    { httpHeaders: { authorization: 'Basic x' } },
  ])('is ignored beside other credentials: %j', (given) => {
    expect(find({ ...given, httpHeaders: { ...cookie, ...given.httpHeaders } })).toBeUndefined();
  });

  test('of a page that may not connect is refused unread', () => {
    const sentence = /cookie token counts only for pages of allowed origins/;
    expect(() => find({ httpHeaders: cookie }, ['cookie'], false)).toThrow(sentence);
  });

  test('is required before the page is checked', () => {
    const isTrustedPage = jest.fn(() => false);
    const places = { from: ['cookie'], cookieName: 'token' } as const;
    expect(findToken(presented({ httpHeaders: { cookie: 'a=b' } }), places, isTrustedPage)).toBeUndefined();
    expect(isTrustedPage).not.toHaveBeenCalled();
  });

  test.each(['toString', '__proto__', 'hasOwnProperty'])(
    'with the name %s is not confused with an inherited property',
    (cookieName) => {
      const credentials = presented({ httpHeaders: { cookie: 'a=b' } });
      expect(findToken(credentials, { from: ['cookie'], cookieName }, () => true)).toBeUndefined();
    },
  );
});

describe('text that is not a token is refused as bearer sub-protocol and as cookie', () => {
  test.each(['', 'x', 'a.b.c'])('%j', (text) => {
    const offered = { 'sec-websocket-protocol': `v12.stomp, bearer.${text}` };
    expect(() => find({ httpHeaders: offered })).toThrow(/sub-protocol bearer\.TOKEN does not hold a JSON web token/);
    expect(() => find({ httpHeaders: { cookie: `token=${text}` } })).toThrow(
      /cookie token does not hold a JSON web token/,
    );
  });
});

test('with any headers, a found token comes from one of them, and errors do not quote them', () => {
  const junk = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(A, `Bearer ${A}`, `token=${A}`, `bearer.${A}`, '; ', ', '),
  );
  const text = fc.array(junk, { maxLength: 6 }).map((parts) => parts.join(''));
  const headers = fc.dictionary(fc.constantFrom('login', 'passcode', 'authorization', 'Authorization'), text);
  const httpHeaders = fc.dictionary(fc.constantFrom('authorization', 'cookie', 'sec-websocket-protocol'), text);
  fc.assert(
    fc.property(headers, httpHeaders, fc.boolean(), (stomp, http, isTrusted) => {
      try {
        const found = find({ headers: stomp, httpHeaders: http }, undefined, isTrusted);
        if (found === undefined) return;
        expect([...Object.values(stomp), ...Object.values(http)].join('\n')).toContain(found);
      } catch (error) {
        expect((error as Error).name).toBe('AuthenticationError');
        expect((error as Error).message).not.toContain(A.slice(0, 10));
      }
    }),
  );
});
