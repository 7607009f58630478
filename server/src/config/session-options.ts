/** What one session may send, hold and take up, and how long it may wait. */
import { z } from 'zod';
import { DAY_MS, KIB, MIB, number, section, whole } from './option-kinds.js';

/** What the parser takes of one frame. */
function frameLimits(defaults: { headers: number; lineBytes: number; headersBytes: number; bodyBytes: number }) {
  return section({
    commandMaxBytes: whole(32, 11, KIB).describe('the first line of a frame'), // UNSUBSCRIBE has 11
    headerMaxCount: whole(defaults.headers, 8, 10_000).describe('headers of a frame'),
    headerLineMaxBytes: whole(defaults.lineBytes, 256, MIB).describe('a header, name and value'),
    headersMaxBytes: whole(defaults.headersBytes, KIB, 4 * MIB).describe('all headers of a frame'),
    bodyMaxBytes: whole(defaults.bodyBytes, 0, 128 * MIB).describe('the body of a frame'),
  });
}

export const limits = section({
  /** A token in `passcode` can be long, anything else is small. */
  beforeLogin: frameLimits({ headers: 64, lineBytes: 16 * KIB, headersBytes: 32 * KIB, bodyBytes: KIB }),
  afterLogin: frameLimits({ headers: 128, lineBytes: 16 * KIB, headersBytes: 64 * KIB, bodyBytes: 4 * MIB }),
  sessionsPerUserMax: whole(0, 0, 1_000_000).describe(
    'sessions of one user on a relay, anonymous ones not counted; 0: any number',
  ),
  sessionsPerAddressMax: whole(0, 0, 1_000_000).describe(
    'sessions from one address, loopback not counted; 0: any number; see `listen.trustedProxies`',
  ),
  sessionsBeforeLoginMax: whole(10_000, 1, 1_000_000).describe(
    'sessions that have not logged in yet, a part of `sessionsMax`',
  ),
  connectsPerSecondMax: whole(5_000, 0, 1_000_000).describe(
    'new sessions that are let in, those beyond wait for `loadShedding.waitMaxMs`; 0: as fast as the relay can',
  ),
});

export const session = section({
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000).describe(
    'from the connection to CONNECT, for the TLS handshake, and for an authenticator or policy to answer',
  ),
  heartBeat: section({
    sendMs: whole(1_000, 0, DAY_MS).describe('the shortest interval at which the relay sends heart-beats; 0: none'),
    expectMs: whole(1_000, 0, DAY_MS).describe('the interval at which it would like them; the client decides; 0: none'),
    graceFactor: number(2, 1, 10).describe('how many of its intervals a client may be silent'),
  }),
  inboxMaxBytes: whole(MIB, 16 * KIB, 256 * MIB).describe('read from a client and not yet handled'),
  messageMaxBytes: whole(8 * MIB, 64 * KIB, 512 * MIB).describe(
    'a message as it is sent to a subscriber, headers and body; back ends can publish longer ones',
  ),
  outboxMaxBytes: whole(8 * MIB, 64 * KIB, 1024 * MIB).describe(
    'written to a client and not yet taken by its network; four of its largest messages have room in any case',
  ),
  outboxStallMs: whole(30_000, 100, DAY_MS).describe('how long a client may read nothing of what waits for it'),
  sendQueueMaxCount: whole(1_000, 1, 100_000).describe('SENDs of a session that wait to be published'),
  sendQueueMaxBytes: whole(4 * MIB, 16 * KIB, 256 * MIB).describe('the same in bytes'),
  sendQueuesMaxBytes: whole(256 * MIB, 64 * KIB, 64 * 1024 * MIB).describe(
    'SENDs of all sessions that wait to be published',
  ),
  unconfirmedMaxCount: whole(1_000, 1, 65_535).describe(
    'SENDs of a session that were published and that the broker has not confirmed',
  ),
  framesPerSecondMax: whole(0, 0, 1_000_000).describe('frames that a client may send; 0: as fast as it likes'),
  framesPerSecondPolicy: z
    .enum(['pause', 'disconnect'], { error: 'must be pause or disconnect' })
    .default('pause')
    .describe('who sends more is read from more slowly, or gets ERROR `too-many-frames`'),
  subscriptionsMax: whole(1_000, 1, 100_000).describe('of a session'),
  wildcardSubscriptionsMax: whole(50, 0, 100_000).describe(
    'of a session or stream: those of them with `*` or `#`, which RabbitMQ compares with every key that begins alike',
  ),
  subscriptionIdMaxBytes: whole(255, 16, 16 * KIB).describe('of the header `id` of SUBSCRIBE'),
  transactionsMax: whole(16, 1, 1_000).describe('of a session, at a time'),
  transactionMaxCount: whole(1_000, 1, 100_000).describe('frames in a transaction'),
  transactionMaxBytes: whole(8 * MIB, KIB, 256 * MIB).describe('the same in bytes'),
  ackGraceMs: whole(5_000, 0, 10 * 60_000).describe('how long after UNSUBSCRIBE an ACK still counts'),
  tokenWarningMs: whole(30_000, 0, DAY_MS).describe(
    'how long before its token ends a client with the extension `token-renewal` is told; 0: never',
  ),
});

const MATCH_RULE =
  'must be /topic/..., /exchange/NAME/... or /user/queue/..., with * and #; what waits of a queue is bounded by prefetch-count';
const POLICY_RULE = 'must be disconnect, drop-oldest or latest';

export const slowConsumers = z
  .array(
    z.strictObject({
      match: z
        .string({ error: MATCH_RULE })
        .regex(/^\/(topic|exchange|user\/queue)\/./, { error: MATCH_RULE })
        .describe('`/topic/...`, `/exchange/NAME/...` or `/user/queue/...`, with `*` and `#`'),
      policy: z
        .enum(['disconnect', 'drop-oldest', 'latest'], { error: POLICY_RULE })
        .describe('what becomes of who reads too slowly: see [slow clients](slow-clients.md)'),
    }),
  )
  .default([])
  .describe('rules of which the first that covers all of a subscription counts; none: `disconnect`');
