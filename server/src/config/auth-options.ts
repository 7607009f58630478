/**
 * Who may log in: a list of authenticators, asked in order. Each kind has its options under its own name, in a file of its
 * own where they are more than a few.
 */
import { z } from 'zod';
import { flag, section } from './option-kinds.js';

/** Clients that present no login, passcode or token. */
const anonymous = z.strictObject({ kind: z.literal('anonymous') });

const KINDS = [anonymous] as const;
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
});
