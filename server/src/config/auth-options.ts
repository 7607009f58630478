/**
 * Who may log in: a list of authenticators, asked in order. Each kind has its options under its own name, in a file of its
 * own where they are more than a few.
 */
import { z } from 'zod';
import { jwt } from './jwt-options.js';
import { brokerUsers, http, users } from './login-options.js';
import { DAY_MS, flag, section, whole } from './option-kinds.js';

/** Clients that present no login, passcode or token. */
const anonymous = z.strictObject({ kind: z.literal('anonymous') });

const KINDS = [jwt, users, http, brokerUsers, anonymous] as const;
const KIND_RULE = `must be one of: ${KINDS.map(({ shape }) => shape.kind.value).join(', ')}`;

const authenticators = z
  .array(z.discriminatedUnion('kind', KINDS, { error: KIND_RULE }), { error: 'must be a list of authenticators' })
  .max(16, { error: 'must have at most 16 authenticators' })
  .refine((list) => list.slice(0, -1).every(({ kind }) => kind !== 'anonymous'), {
    error: 'must have anonymous at its end, and once: who stands behind it would not be asked',
  });

export const auth = section({
  allowAnonymous: flag(false).describe(
    'without authenticators, or with `anonymous` alone: take any client, also where other machines can connect',
  ),
  authenticators: authenticators.default([]).describe('asked in order who a client is; none: any login is taken'),
  revocationsMax: whole(10_000, 1, 100_000).describe('users whose access was revoked, as many as are remembered'),
  revocationKeepMs: whole(DAY_MS, 60_000, 365 * DAY_MS).describe(
    'how long a revocation is remembered: at least as long as tokens live',
  ),
});

/** What two options do not allow together: the path of one of them, and the rule. */
export type Conflict = readonly [path: string, rule: string];

type Auth = z.output<typeof auth>;

export function authConflicts(
  { allowAnonymous, authenticators }: Auth,
  origins: string | readonly string[],
): Conflict[] {
  const conflicts: Conflict[] = [];
  if (allowAnonymous && authenticators.some(({ kind }) => kind !== 'anonymous')) {
    conflicts.push(['auth.allowAnonymous', GUESTS_RULE]);
  }
  const isOfAnyPage = origins === '*' || origins.includes('null');
  const issuers: string[] = [];
  const tokens = authenticators.flatMap((each, index) => (each.kind === 'jwt' ? [{ ...each, index }] : []));
  for (const { from, issuer, index } of tokens) {
    const path = `auth.authenticators.${index}`;
    const own = issuer === undefined ? [] : [issuer].flat();
    const isTold = tokens.length === 1 || (own.length > 0 && own.every((each) => !issuers.includes(each)));
    if (!isTold) conflicts.push([`${path}.issuer`, ISSUERS_RULE]);
    issuers.push(...own);
    if (from.includes('cookie') && isOfAnyPage) conflicts.push([`${path}.from`, COOKIE_RULE]);
  }
  for (const [index, each] of authenticators.entries()) {
    if (each.kind !== 'http' || !each.forward.includes('cookie') || !isOfAnyPage) continue;
    conflicts.push([`auth.authenticators.${index}.forward`, COOKIE_RULE]);
  }
  return conflicts;
}

const GUESTS_RULE =
  'has no place beside auth.authenticators; end that list with { kind: anonymous } if clients without credentials may ' +
  'come in, too';
const ISSUERS_RULE = 'must be given, and be another one for each of several authenticators of kind jwt';
const COOKIE_RULE =
  'must not have cookie where websocket.allowedOrigins is "*" or has "null": any page could act in the name of whoever ' +
  'looks at it';
