/** The rules of the policy. `auth/policy` parses their destinations. */
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

const ARGUMENTS_RULE = `must be a list of at most ${LIST_MAX} queue arguments, such as [x-expires, x-max-length]`;

const rule = z
  .strictObject(
    {
      allow: actions
        .optional()
        .describe('Actions that the rule allows: `send`, `subscribe` or both. A rule has either `allow` or `deny`.'),
      deny: actions
        .optional()
        .describe('Actions that the rule denies: `send`, `subscribe` or both. A rule has either `allow` or `deny`.'),
      destination: z
        .union([destination, listOf(destination, DESTINATION_RULE)], { error: DESTINATION_RULE })
        .describe(
          'Destination, or list of destinations, of the rule. Words may be `*`, `#`, `{user}` or `{claims.NAME}`; `/#` matches everything.',
        ),
      users: z
        .enum(['authenticated', 'anonymous', 'everyone'], { error: 'must be authenticated, anonymous or everyone' })
        .optional()
        .describe(
          'Users that the rule applies to. Without this option: `authenticated` for `allow`, `everyone` for `deny`.',
        ),
      claims: z
        .record(z.string(), z.union([claimValue, listOf(claimValue, CLAIM_RULE)], { error: CLAIM_RULE }), {
          error: 'must map claims to their values, such as { role: [admin, staff] }',
        })
        .optional()
        .describe('Claims that the user must have, each with one of the given values.'),
      queueArguments: z
        .array(z.string(), { error: ARGUMENTS_RULE })
        .max(LIST_MAX, { error: ARGUMENTS_RULE })
        .optional()
        .describe(
          'Names of queue arguments, such as `x-max-length`. An `allow` rule with the list applies only to frames that use no other argument, a `deny` rule only to frames that use one of them. Without this option: any arguments that `queues.arguments` permits.',
        ),
    },
    { error: 'must be a rule: allow or deny, and destination' },
  )
  .refine(({ allow, deny }) => (allow === undefined) !== (deny === undefined), {
    error: 'must have either allow or deny',
  });

/** Without a policy every user may do everything. */
export const policy = z
  .strictObject({
    rules: z
      .array(rule, { error: 'must be a list of rules' })
      .max(RULES_MAX, { error: `must have at most ${RULES_MAX} rules` })
      .describe(
        'Rules of the policy. The first rule that applies decides; if none applies, the action is denied. See [policy](policy.md).',
      ),
  })
  .optional();
