/** The schema of a list of users, for the configuration and for a separate file. */
import { z } from 'zod';
import { nameProblem } from '../principal.js';
import { parsePasswordHash } from './password-hash.js';

const NAME_RULE = 'must be a text: the name of the user';
const HASH_RULE = 'must be a line that `stomp-relay hash-password` prints';
const CLAIMS_RULE = 'must map claims to values, such as { role: admin }';
const LIST_RULE = 'must be a list of users, each with name and passwordHash';

/** The name of any user in the configuration. */
export const userName = z.string({ error: NAME_RULE }).superRefine((text, context) => {
  const problem = nameProblem(text);
  if (problem !== undefined) context.addIssue({ code: 'custom', message: `${problem}: it cannot be a user's name` });
});

const name = userName.describe('name of the user, and its `login` in CONNECT');

const passwordHash = z
  .string({ error: HASH_RULE })
  .superRefine((text, context) => {
    try {
      parsePasswordHash(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message });
    }
  })
  .describe('hash of the password, as `stomp-relay hash-password` prints it');

const claims = z
  .record(z.string(), z.unknown(), { error: CLAIMS_RULE })
  .default({})
  .describe('claims of the user for the rules of the policy, such as roles');

export const userList = z
  .array(z.strictObject({ name, passwordHash, claims }), { error: LIST_RULE })
  .max(10_000, { error: 'must have at most 10,000 users' })
  .refine((users) => new Set(users.map((user) => user.name)).size === users.length, {
    error: 'must name each user once',
  });

export type UserList = z.output<typeof userList>;
