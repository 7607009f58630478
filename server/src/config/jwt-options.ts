/** JSON web tokens: their keys, their place in a request, and the conditions that they must meet. */
import { z } from 'zod';
import { isForSecret, JWT_ALGORITHMS } from '../auth/jwt/jwt-algorithms.js';
import { isLoopback } from '../net/ip-address.js';
import { DAY_MS, fileName, flag, KIB, whole } from './option-kinds.js';

const ALGORITHM_RULE = `must be a list of ${JWT_ALGORITHMS.join(', ')}`;
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
      .describe(
        'File with the public key: PEM, a certificate, or a JSON web key set. It is read again when it changes.',
      ),
    secretFile: fileName
      .optional()
      .describe(
        'File with the secret: at least 32 bytes for HS256, 48 for HS384, 64 for HS512. It is read again when it changes.',
      ),
    jwksUrl: url.optional().describe('https address of a JSON web key set.'),
    jwksAllowHttp: flag(false).describe('Allow http for a `jwksUrl` on another machine.'),
    jwksRefreshMs: whole(10 * 60_000, 1_000, DAY_MS).describe(
      'Age in ms from which on the keys of `jwksUrl` are fetched again.',
    ),
    jwksCooldownMs: whole(10_000, 0, DAY_MS).describe(
      'Minimum age in ms of the keys of `jwksUrl` before a token with an unknown key makes the relay fetch them again; 0: no minimum.',
    ),
    jwksTimeoutMs: whole(5_000, 100, 60_000).describe('Time in ms that `jwksUrl` has to answer.'),
    algorithms: z
      .array(z.enum(JWT_ALGORITHMS, { error: ALGORITHM_RULE }), { error: ALGORITHM_RULE })
      .min(1, { error: ALGORITHM_RULE })
      .optional()
      .describe(
        'Accepted algorithms: with a `secretFile` HS256, HS384 and HS512, else RS256, RS384, RS512, PS256, PS384, PS512, ' +
          'ES256, ES384, ES512 and EdDSA. A key must fit one of them. Without this option: HS256, or RS256, ES256 and EdDSA.',
      ),
    issuer: texts.optional().describe('Accepted value, or list of accepted values, of the claim `iss`.'),
    audience: texts
      .optional()
      .describe(
        'Accepted value, or list of accepted values, of the claim `aud`. If `aud` is a list, one match suffices.',
      ),
    nameClaim: text.default('sub').describe("Claim that holds the user's name."),
    clockSkewSeconds: whole(30, 0, 600).describe('Tolerated clock difference in seconds between issuer and relay.'),
    requireExpiry: flag(true).describe('Refuse tokens without the claim `exp`.'),
    maxAgeSeconds: whole(0, 1, 10 * 365 * 86_400)
      .unwrap()
      .optional()
      .describe(
        'Maximum age of a token in seconds, counted from its claim `iat`. Without this option, there is no maximum.',
      ),
    from: z
      .array(z.enum(PLACES, { error: PLACES_RULE }), { error: PLACES_RULE })
      .min(1, { error: PLACES_RULE })
      .default(['passcode', 'authorization'])
      .describe('Places where a client may put its token.'),
    cookieName: z
      .string({ error: COOKIE_RULE })
      .regex(/^[\w!#$%&'*+.^`|~-]+$/, { error: COOKIE_RULE })
      .optional()
      .describe('Name of the cookie with the token. It is required if `from` has `cookie`.'),
    tokenMaxBytes: whole(8 * KIB, 256, 64 * KIB).describe('Maximum size of a token in bytes.'),
    verificationsMax: whole(10_000, 1, 1_000_000).describe('Maximum number of tokens that are verified at a time.'),
  })
  .refine(({ keyFile, secretFile, jwksUrl }) => [keyFile, secretFile, jwksUrl].filter(Boolean).length === 1, {
    error: 'must have keyFile, secretFile or jwksUrl, and only one of them',
  })
  .refine(({ from, cookieName }) => from.includes('cookie') === (cookieName !== undefined), {
    error: 'must have a cookieName if from has cookie, and only then',
  })
  .refine(({ jwksUrl, jwksAllowHttp }) => jwksAllowHttp || jwksUrl === undefined || isSafe(jwksUrl), {
    path: ['jwksUrl'],
    error:
      'must begin with https: an attacker who changes the keys in transit could log in as any user (jwksAllowHttp: true ' +
      'allows http)',
  })
  .refine(({ secretFile, algorithms = [] }) => algorithms.every((each) => isForSecret(each) === !!secretFile), {
    path: ['algorithms'],
    error: 'must be HS256, HS384 or HS512 with a secretFile, and none of these with a keyFile or jwksUrl',
  });

/** True for a text that is no address, because the option's own rule reports it. */
function isSafe(address: string): boolean {
  if (!URL.canParse(address)) return true;
  const { protocol, hostname } = new URL(address);
  return protocol === 'https:' || isLoopback(hostname);
}
