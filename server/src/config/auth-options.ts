/** The list of authenticators. Kinds with more than a few options have them in their own files. */
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
    error: 'must have anonymous only once, as its last entry: authenticators behind it would never be asked',
  });

export const auth = section({
  allowAnonymous: flag(false).describe(
    'Accept any client, even if other machines can connect. Use it only without authenticators, or with `anonymous` alone.',
  ),
  authenticators: authenticators
    .default([])
    .describe('Authenticators, asked in this order to identify a client. Without any, every login is accepted.'),
  revocationsMax: whole(10_000, 1, 100_000).describe('Maximum number of users whose revocation is remembered.'),
  revocationKeepMs: whole(DAY_MS, 60_000, 365 * DAY_MS).describe(
    'Time in ms that a revocation is remembered. Set it to the lifetime of your tokens or more.',
  ),
});

/** Two options that contradict each other: the path of one of them, and the broken rule. */
export type Conflict = readonly [path: string, rule: string];

type Auth = z.output<typeof auth>;

export function authConflicts(
  { allowAnonymous, authenticators }: Auth,
  origins: string | readonly string[],
): Conflict[] {
  const conflicts: Conflict[] = [];
  if (allowAnonymous && authenticators.some(({ kind }) => kind !== 'anonymous')) {
    conflicts.push(['auth.allowAnonymous', ANONYMOUS_RULE]);
  }
  const isOfAnyPage = origins === '*' || origins.includes('null');
  const issuers: string[] = [];
  const tokens = authenticators.flatMap((each, index) => (each.kind === 'jwt' ? [{ ...each, index }] : []));
  for (const { from, issuer, index } of tokens) {
    const path = `auth.authenticators.${index}`;
    const own = issuer === undefined ? [] : [issuer].flat();
    const isDistinct = tokens.length === 1 || (own.length > 0 && own.every((each) => !issuers.includes(each)));
    if (!isDistinct) conflicts.push([`${path}.issuer`, ISSUERS_RULE]);
    issuers.push(...own);
    if (from.includes('cookie') && isOfAnyPage) conflicts.push([`${path}.from`, COOKIE_RULE]);
  }
  for (const [index, each] of authenticators.entries()) {
    if (each.kind !== 'http' || !each.forward.includes('cookie') || !isOfAnyPage) continue;
    conflicts.push([`auth.authenticators.${index}.forward`, COOKIE_RULE]);
  }
  return conflicts;
}

const ANONYMOUS_RULE =
  'cannot be combined with auth.authenticators; to accept clients without credentials too, end that list with ' +
  '{ kind: anonymous }';
const ISSUERS_RULE = 'must be given for each of several authenticators of kind jwt, and differ between them';
const COOKIE_RULE =
  'must not have cookie while websocket.allowedOrigins is "*" or has "null": any page could act in the name of its ' +
  'visitors';
