/** Who may do what: the rules of the policy. Their destinations are read in `auth/policy.ts`, which knows how. */
import { z } from 'zod';

const RULES_MAX = 1_000;
const LIST_MAX = 100;

function listOf<T extends z.ZodType>(member: T, error: string) {
  return z.array(member).min(1, { error }).max(LIST_MAX, { error });
}

const ACTION_RULE = 'must be send, subscribe, or a list of both';
const action = z.enum(['send', 'subscribe'], { error: ACTION_RULE });
const actions = z.union([action, z.array(action).min(1, { error: ACTION_RULE })], { error: ACTION_RULE });

const DESTINATION_RULE = `must be a destination such as /topic/chat.#, or a list of 1 to ${LIST_MAX} of them`;
const destination = z.string();
const CLAIM_RULE = `must be a text, a number, true or false, or a list of 1 to ${LIST_MAX} of them`;
const claimValue = z.union([z.string(), z.number(), z.boolean()]);

const rule = z
  .strictObject(
    {
      allow: actions.optional().describe('`send`, `subscribe` or both: what the rule allows'),
      deny: actions.optional().describe('what it denies; a rule has either `allow` or `deny`'),
      destination: z
        .union([destination, listOf(destination, DESTINATION_RULE)], { error: DESTINATION_RULE })
        .describe('one or several, with `*`, `#`, `{user}` and `{claims.NAME}` as words; `/#`: everything'),
      users: z
        .enum(['authenticated', 'anonymous', 'everyone'], { error: 'must be authenticated, anonymous or everyone' })
        .optional()
        .describe('whom it is about; not given: `authenticated` for `allow`, `everyone` for `deny`'),
      claims: z
        .record(z.string(), z.union([claimValue, listOf(claimValue, CLAIM_RULE)], { error: CLAIM_RULE }), {
          error: 'must say claims and their values, such as { role: [admin, staff] }',
        })
        .optional()
        .describe('claims that the user must have, each with one of the values given'),
    },
    { error: 'must be a rule: allow or deny, and destination' },
  )
  .refine(({ allow, deny }) => (allow === undefined) !== (deny === undefined), {
    error: 'must have either allow or deny',
  });

/** Absent: everybody may do everything. */
export const policy = z
  .strictObject({
    rules: z
      .array(rule, { error: 'must be a list of rules' })
      .max(RULES_MAX, { error: `must have at most ${RULES_MAX} rules` })
      .describe('the first that applies decides, and where none does the answer is no: see [policy](policy.md)'),
  })
  .optional();
