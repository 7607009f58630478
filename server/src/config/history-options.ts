/** The histories that the broker keeps, and the bounds of what returning clients may read. See docs/recovery.md. */
import { z } from 'zod';
import { DAY_MS, KIB, MIB, section, TIMER_MAX_MS, whole } from './option-kinds.js';

const NAME_RULE = 'must be 1 to 100 letters, digits, "-" and "_"';
const MATCH_RULE = 'must be a destination that begins with /topic/ or /user/queue/';

const rule = z.strictObject({
  name: z
    .string({ error: NAME_RULE })
    .regex(/^[\w-]{1,100}$/, { error: NAME_RULE })
    .describe('Part of the name of the stream, `stomp-relay.history.NAME`. A new name is a new history.'),
  match: z
    .string({ error: MATCH_RULE })
    .regex(/^\/(topic|user\/queue)\/./, { error: MATCH_RULE })
    .describe('Destinations whose messages are kept, with `*` and `#`.'),
  maxAgeMs: whole(900_000, 1_000, 365 * DAY_MS).describe(
    'Messages are kept at least this long in ms, if `maxBytes` allows.',
  ),
  maxBytes: whole(256 * MIB, MIB, 1024 * 1024 * MIB).describe(
    'Maximum size in bytes of the history, on the disk of each replica or in the memory of the embedded broker.',
  ),
});

export const history = section({
  rules: z
    .array(rule)
    .max(32, { error: 'must have at most 32 rules' })
    .default([])
    .describe(
      'Destinations whose messages the broker keeps, so that returning clients get those that they missed. The first rule that covers all of a subscription applies.',
    ),
  ringMaxBytes: whole(32 * MIB, 64 * KIB, 16 * 1024 * MIB).describe(
    'Memory of a relay in bytes for the newest messages of a rule on RabbitMQ. A client that missed older ones needs a reader.',
  ),
  ringMaxCount: whole(262_144, 100, 16_777_216).describe('Maximum number of messages in that memory.'),
  warmUpMs: whole(120_000, 0, DAY_MS).describe(
    'Age in ms of the messages that a relay reads into that memory before it is ready.',
  ),
  warmUpTimeoutMs: whole(30_000, 100, TIMER_MAX_MS).describe(
    'Time in ms after which a relay is ready although it has not read all of them.',
  ),
  catchUpTimeoutMs: whole(5_000, 100, 60_000).describe(
    'Time in ms that a returning client waits for this relay to reach its position.',
  ),
  readersMax: whole(4, 1, 64).describe('Maximum number of readers of older messages, for all clients of a relay.'),
  replayWaitMs: whole(10_000, 100, 60_000).describe('Time in ms that a returning client waits for a reader.'),
  replayMaxBytes: whole(64 * MIB, 64 * KIB, 16 * 1024 * MIB).describe(
    'Maximum number of bytes of the history that are read for one returning client, other topics included.',
  ),
  replayTimeoutMs: whole(15_000, 100, TIMER_MAX_MS).describe('Maximum time in ms that a reader works for one client.'),
  replayBufferMaxBytes: whole(256 * KIB, 16 * KIB, 64 * MIB).describe(
    'Bytes read for one client that it has not taken yet. Beyond it the reader leaves this client. Another one continues when the client has taken half of them.',
  ),
  catchUpChunkBytes: whole(64 * KIB, KIB, 4 * MIB).describe(
    'Bytes that a returning client is sent at once. It gets more when it has taken them.',
  ),
  catchUpsMaxBytes: whole(128 * MIB, 64 * KIB, 16 * 1024 * MIB).describe(
    'Bytes of missed messages that all returning clients of a relay have been sent and have not taken yet. Beyond it they wait.',
  ),
  positionRefreshMs: whole(30_000, 100, DAY_MS).describe(
    'Interval in ms at which clients of quiet subscriptions get a new position.',
  ),
  markerMaxCount: whole(1_000, 10, 1_000_000).describe('Messages of a rule after which a relay writes a marker.'),
  markerMaxBytes: whole(256 * KIB, KIB, 64 * MIB).describe('Bytes of messages after which a relay writes a marker.'),
  markerMs: whole(10_000, 100, 3_600_000).describe('Time in ms after which a relay writes a marker if messages came.'),
});

/** Options that the documentation of later versions has. They are refused by name, not as typing errors. */
const OF_LATER_VERSIONS = ['recover', 'perTopic', 'unread', 'parts'];
const LATER_RULE = 'is not offered yet: leave it out';

/** `values` are those of the configuration as given. Path and rule of each option that this version does not offer. */
export function laterOptions(values: unknown): [string, string][] {
  const { history: section, presence } = (values ?? {}) as { history?: { rules?: unknown }; presence?: unknown };
  const rules: unknown[] = Array.isArray(section?.rules) ? section.rules : [];
  const inRules = rules.flatMap((each, index) =>
    typeof each === 'object' && each !== null
      ? OF_LATER_VERSIONS.filter((name) => Object.hasOwn(each, name)).map((name) => `history.rules.${index}.${name}`)
      : [],
  );
  const paths = presence === undefined ? inRules : [...inRules, 'presence'];
  return paths.map((path) => [path, LATER_RULE]);
}

/** Options that are valid by themselves and contradict each other: path and rule. */
export function historyConflicts({
  rules,
}: {
  readonly rules: readonly { readonly name: string }[];
}): [string, string][] {
  const names = rules.map(({ name }) => name);
  return names.flatMap((name, index): [string, string][] =>
    names.indexOf(name) < index
      ? [[`history.rules.${index}.name`, 'must differ from the names of the other rules']]
      : [],
  );
}
