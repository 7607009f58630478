/** The limits and timeouts of a session. */
import { z } from 'zod';
import { DAY_MS, KIB, MIB, number, section, whole } from './option-kinds.js';

/** The limits of the parser for one frame. */
function frameLimits(defaults: { headers: number; lineBytes: number; headersBytes: number; bodyBytes: number }) {
  return section({
    commandMaxBytes: whole(32, 11, KIB).describe('Maximum length in bytes of the first line of a frame.'), // UNSUBSCRIBE has 11
    headerMaxCount: whole(defaults.headers, 8, 10_000).describe('Maximum number of headers in a frame.'),
    headerLineMaxBytes: whole(defaults.lineBytes, 256, MIB).describe(
      'Maximum length in bytes of one header in a frame, name and value.',
    ),
    headersMaxBytes: whole(defaults.headersBytes, KIB, 4 * MIB).describe(
      'Maximum size in bytes of all headers of a frame.',
    ),
    bodyMaxBytes: whole(defaults.bodyBytes, 0, 128 * MIB).describe(
      'Maximum size in bytes of the body of a frame; 0 allows no body.',
    ),
  });
}

const EXEMPT_RULE = 'must be a list of user names';
const MODE_RULE = 'must be enforce or report';

export const limits = section({
  mode: z
    .enum(['enforce', 'report'], { error: MODE_RULE })
    .default('enforce')
    .describe(
      'Effect of the shares of users and addresses, and of the newer limits on queues, subscriptions and sessions: `enforce` refuses, `report` only logs and counts what they would refuse. See [limits](limits.md#a-dry-run).',
    ),
  /** A token in `passcode` can be long; everything else is small. */
  beforeLogin: frameLimits({ headers: 64, lineBytes: 16 * KIB, headersBytes: 32 * KIB, bodyBytes: KIB }),
  afterLogin: frameLimits({ headers: 128, lineBytes: 16 * KIB, headersBytes: 64 * KIB, bodyBytes: 4 * MIB }),
  sessionsPerUserMax: whole(0, 0, 1_000_000)
    .unwrap()
    .optional()
    .describe(
      'Maximum number of sessions of one user on a relay, except anonymous sessions; 0: no limit. Without this option it is 1,000 where an authenticator checks logins, otherwise 0. Streams are counted apart.',
    ),
  sessionsPerAddressMax: whole(0, 0, 1_000_000)
    .unwrap()
    .optional()
    .describe(
      'Maximum number of sessions from one address, except loopback and `listen.trustedProxies`; 0: no limit. Without this option it is 1,000. Of an IPv6 address the first 64 bits count. Streams are counted apart.',
    ),
  subscriptionsMax: whole(1_000_000, 1, 100_000_000).describe(
    'Maximum number of subscriptions of all sessions and streams.',
  ),
  patternsMax: whole(20_000, 1, 1_000_000).describe(
    'Maximum number of patterns (destinations with `*` or `#`) that all sessions and streams subscribe to. Subscribers of the same pattern share it, except with a queue of their own.',
  ),
  sessionsBeforeLoginMax: whole(10_000, 1, 1_000_000).describe(
    'Maximum number of sessions that have not logged in yet. They also count towards `sessionsMax`. When either limit is reached, the network with the most of them loses its oldest.',
  ),
  connectsPerSecondMax: whole(5_000, 0, 1_000_000).describe(
    'Maximum number of new sessions admitted per second; 0: no limit. Further sessions wait for up to `loadShedding.waitMaxMs`.',
  ),
  addressConnectsPerSecondMax: whole(200, 0, 1_000_000).describe(
    'Maximum number of new sessions of one address per second, except loopback and `listen.trustedProxies`; 0: no limit. Further sessions wait for up to `loadShedding.waitMaxMs`. Of an IPv6 address the first 64 bits count.',
  ),
});

export const shares = section({
  exempt: z
    .array(z.string({ error: EXEMPT_RULE }).min(1, { error: EXEMPT_RULE }), { error: EXEMPT_RULE })
    .default([])
    .describe(
      'Names of users without a [share](limits.md#shares), such as back ends: a login often stands for an application and all its users. Every other user has at most a quarter of what all users share, such as queues, while more than half is in use. The names hold only where an authenticator checks logins.',
    ),
});

export const session = section({
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000).describe(
    'Time limit in ms for each of these: the TLS handshake, the wait for CONNECT after the connection, and the answer of an authenticator or policy.',
  ),
  heartBeat: section({
    sendMs: whole(1_000, 0, DAY_MS).describe(
      'Shortest interval in ms at which the relay sends heart-beats; 0: it sends none.',
    ),
    expectMs: whole(1_000, 0, DAY_MS).describe(
      'Interval in ms at which the relay asks clients for heart-beats; 0: it asks for none. A client may choose a longer interval.',
    ),
    graceFactor: number(2, 1, 10).describe('Number of heart-beat intervals that a client may be silent.'),
  }),
  frameTimeoutMs: whole(30_000, 100, DAY_MS).describe(
    'Time limit in ms for a frame that a client has begun and that does not grow. The relay looks twice in this time: the frame must have grown by a sixteenth of what had arrived, or be complete.',
  ),
  inboxMaxBytes: whole(MIB, 16 * KIB, 256 * MIB).describe(
    'Maximum size in bytes of the input that was read from a client and is not yet handled.',
  ),
  messageMaxBytes: whole(8 * MIB, 64 * KIB, 512 * MIB).describe(
    'Maximum size in bytes of a MESSAGE to a subscriber, headers and body. Larger messages of back ends are not delivered.',
  ),
  outboxMaxBytes: whole(8 * MIB, 64 * KIB, 1024 * MIB).describe(
    "Maximum size in bytes of the output that was written to a client and that its network has not taken. Four of the client's largest messages always fit.",
  ),
  outboxStallMs: whole(30_000, 100, DAY_MS).describe(
    'Maximum time in ms that a client may read nothing while output waits for it.',
  ),
  sendQueueMaxCount: whole(1_000, 1, 100_000).describe(
    'Maximum number of SENDs of a session that wait to be published.',
  ),
  sendQueueMaxBytes: whole(4 * MIB, 16 * KIB, 256 * MIB).describe(
    'Maximum size in bytes of the SENDs of a session that wait to be published.',
  ),
  sendQueuesMaxBytes: whole(256 * MIB, 64 * KIB, 64 * 1024 * MIB).describe(
    'Maximum size in bytes of the SENDs of all sessions that wait to be published.',
  ),
  unconfirmedMaxCount: whole(1_000, 1, 65_535).describe(
    'Maximum number of published SENDs of a session that the broker has not confirmed.',
  ),
  framesPerSecondMax: whole(0, 0, 1_000_000).describe(
    'Maximum number of frames per second from one client; 0: no limit.',
  ),
  framesPerSecondPolicy: z
    .enum(['pause', 'disconnect'], { error: 'must be pause or disconnect' })
    .default('pause')
    .describe(
      'Treatment of a client above `framesPerSecondMax`: `pause` reads from it more slowly, `disconnect` ends it with ERROR `too-many-frames`.',
    ),
  subscriptionsMax: whole(1_000, 1, 100_000).describe('Maximum number of subscriptions of a session.'),
  wildcardSubscriptionsMax: whole(50, 0, 100_000).describe(
    'Maximum number of subscriptions with `*` or `#` of a session or stream; 0 allows none. RabbitMQ compares them with every key that begins alike.',
  ),
  subscriptionIdMaxBytes: whole(255, 16, 16 * KIB).describe('Maximum length in bytes of the header `id` of SUBSCRIBE.'),
  replyAddressesMax: whole(1_000, 1, 100_000).describe(
    "Number of addresses of RabbitMQ's direct reply-to that a session can reply to: those that it received or used last.",
  ),
  transactionsMax: whole(16, 1, 1_000).describe('Maximum number of open transactions of a session.'),
  transactionMaxCount: whole(1_000, 1, 100_000).describe('Maximum number of frames in a transaction.'),
  transactionMaxBytes: whole(8 * MIB, KIB, 256 * MIB).describe('Maximum size in bytes of the frames in a transaction.'),
  transactionsMaxBytes: whole(16 * MIB, KIB, 1024 * MIB).describe(
    'Maximum size in bytes of the frames in all open transactions of a session.',
  ),
  ackGraceMs: whole(5_000, 0, 10 * 60_000).describe('Time in ms after UNSUBSCRIBE during which an ACK still counts.'),
  tokenWarningMs: whole(30_000, 0, DAY_MS).describe(
    'Time in ms before the end of its token at which a client with the extension `token-renewal` is warned; 0: never.',
  ),
});

const MATCH_RULE =
  'must be /topic/..., /exchange/NAME/... or /user/queue/..., with * and #; queues are bounded by prefetch-count';
const POLICY_RULE = 'must be disconnect, drop-oldest or latest';

export const slowConsumers = z
  .array(
    z.strictObject({
      match: z
        .string({ error: MATCH_RULE })
        .regex(/^\/(topic|exchange|user\/queue)\/./, { error: MATCH_RULE })
        .describe(
          'Destinations that the rule covers: `/topic/...`, `/exchange/NAME/...` or `/user/queue/...`, with `*` and `#`.',
        ),
      policy: z
        .enum(['disconnect', 'drop-oldest', 'latest'], { error: POLICY_RULE })
        .describe('Treatment of a client that reads too slowly: see [slow clients](slow-clients.md).'),
    }),
  )
  .default([])
  .describe(
    'Rules for slow clients. The first rule that covers all of a subscription applies; if none does, `disconnect` applies.',
  );
