/** JSON web tokens: with which keys, from where in a request, and what has to hold of them. */
import { z } from 'zod';
import { isLoopback } from '../net/loopback.js';
import { DAY_MS, fileName, flag, KIB, whole } from './option-kinds.js';

const ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
const ALGORITHM_RULE = `must be a list of ${ALGORITHMS.join(', ')}`;
const PLACES = ['passcode', 'authorization', 'subprotocol', 'cookie'] as const;
const PLACES_RULE = `must be a list of ${PLACES.join(', ')}`;
const URL_RULE = 'must be an address such as https://login.example.com/jwks.json';
const TEXTS_RULE = 'must be a text, or a list of texts';
const COOKIE_RULE = 'must be the name of a cookie';

const text = z.string({ error: TEXTS_RULE }).min(1, { error: TEXTS_RULE });
const texts = z.union([text, z.array(text).min(1, { error: TEXTS_RULE })], { error: TEXTS_RULE });
const url = z
  .string({ error: URL_RULE })
  .refine(
    (value) => URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).username === '',
    { error: URL_RULE },
  );

export const jwt = z
  .strictObject({
    kind: z.literal('jwt'),
    keyFile: fileName
      .optional()
      .describe('public key: PEM, a certificate, or a JSON web key set; read again when it changes'),
    secretFile: fileName.optional().describe('secret for HS256, at least 32 bytes; read again when it changes'),
    jwksUrl: url.optional().describe('address of a JSON web key set, https'),
    jwksAllowHttp: flag(false).describe('take `jwksUrl` with http also from other machines'),
    jwksRefreshMs: whole(10 * 60_000, 1_000, DAY_MS).describe('keys of `jwksUrl` that are older are fetched again'),
    jwksCooldownMs: whole(10_000, 0, DAY_MS).describe(
      'how soon after that a token with an unknown key has them fetched again',
    ),
    jwksTimeoutMs: whole(5_000, 100, 60_000).describe('how long `jwksUrl` may take to answer'),
    algorithms: z
      .array(z.enum(ALGORITHMS, { error: ALGORITHM_RULE }), { error: ALGORITHM_RULE })
      .min(1, { error: ALGORITHM_RULE })
      .optional()
      .describe('which of the algorithms that fit the keys are accepted; all, if not given'),
    issuer: texts.optional().describe('claim `iss` must be this, or one of these'),
    audience: texts.optional().describe('claim `aud` must be or hold this, or one of these'),
    nameClaim: text.default('sub').describe("the claim that is the user's name"),
    clockSkewSeconds: whole(30, 0, 600).describe("how far the issuer's clock may be off"),
    requireExpiry: flag(true).describe('refuse tokens without a claim `exp`'),
    maxAgeSeconds: whole(0, 1, 10 * 365 * 86_400)
      .unwrap()
      .optional()
      .describe('how long after `iat` a token is good at most'),
    from: z
      .array(z.enum(PLACES, { error: PLACES_RULE }), { error: PLACES_RULE })
      .min(1, { error: PLACES_RULE })
      .default(['passcode', 'authorization'])
      .describe('where a client may put its token'),
    cookieName: z
      .string({ error: COOKIE_RULE })
      .regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: COOKIE_RULE })
      .optional()
      .describe('the cookie that `cookie` stands for'),
    tokenMaxBytes: whole(8 * KIB, 256, 64 * KIB).describe('the longest token'),
    verificationsMax: whole(10_000, 1, 1_000_000).describe('tokens that are verified at a time'),
  })
  .refine(({ keyFile, secretFile, jwksUrl }) => [keyFile, secretFile, jwksUrl].filter(Boolean).length === 1, {
    error: 'must have keyFile, secretFile or jwksUrl, and only one of them',
  })
  .refine(({ from, cookieName }) => from.includes('cookie') === (cookieName !== undefined), {
    error: 'must have a cookieName where from has cookie, and only there',
  })
  .refine(({ jwksUrl, jwksAllowHttp }) => jwksAllowHttp || jwksUrl === undefined || isSafe(jwksUrl), {
    path: ['jwksUrl'],
    error:
      'must begin with https: whoever could change the keys on their way could log in as anybody (jwksAllowHttp: true)',
  })
  .refine(({ secretFile, algorithms = [] }) => algorithms.every((each) => (each === 'HS256') === !!secretFile), {
    path: ['algorithms'],
    error: 'must be HS256 with a secretFile, and must not be with a keyFile or jwksUrl',
  });

/** What is no address is named as such by the option's own rule. */
function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return true;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || isLoopback(hostname);
}
