/** What one session may send, hold and take up, and how long it may wait. */
import { z } from 'zod';
import { DAY_MS, KIB, MIB, number, section, whole } from './option-kinds.js';

/** What the parser takes of one frame. */
function frameLimits(defaults: { headers: number; lineBytes: number; headersBytes: number; bodyBytes: number }) {
  return section({
    commandMaxBytes: whole(32, 11, KIB), // UNSUBSCRIBE has 11
    headerMaxCount: whole(defaults.headers, 8, 10_000),
    headerLineMaxBytes: whole(defaults.lineBytes, 256, MIB),
    headersMaxBytes: whole(defaults.headersBytes, KIB, 4 * MIB),
    bodyMaxBytes: whole(defaults.bodyBytes, 0, 128 * MIB),
  });
}

export const limits = section({
  /** A token in `passcode` can be long, anything else is small. */
  beforeLogin: frameLimits({ headers: 64, lineBytes: 16 * KIB, headersBytes: 32 * KIB, bodyBytes: KIB }),
  afterLogin: frameLimits({ headers: 128, lineBytes: 16 * KIB, headersBytes: 64 * KIB, bodyBytes: 4 * MIB }),
  /** 0: as many as there may be sessions. Anonymous ones are not counted. */
  sessionsPerUserMax: whole(0, 0, 1_000_000),
  /** 0: as many as there may be sessions. Loopback is not counted; see `listen.trustedProxies`. */
  sessionsPerAddressMax: whole(0, 0, 1_000_000),
  /** New sessions that a relay lets in; those beyond wait for `loadShedding.waitMaxMs`. 0: as fast as it can. */
  connectsPerSecondMax: whole(5_000, 0, 1_000_000),
});

export const session = section({
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000),
  heartBeat: section({
    sendMs: whole(1_000, 0, DAY_MS),
    expectMs: whole(1_000, 0, DAY_MS),
    graceFactor: number(2, 1, 10),
  }),
  inboxMaxBytes: whole(MIB, 16 * KIB, 256 * MIB),
  outboxMaxBytes: whole(8 * MIB, 64 * KIB, 1024 * MIB),
  outboxStallMs: whole(30_000, 100, DAY_MS),
  sendQueueMaxCount: whole(1_000, 1, 100_000),
  sendQueueMaxBytes: whole(4 * MIB, 16 * KIB, 256 * MIB),
  sendQueuesMaxBytes: whole(256 * MIB, 64 * KIB, 64 * 1024 * MIB),
  unconfirmedMaxCount: whole(1_000, 1, 65_535),
  /** 0: as fast as a client likes. */
  framesPerSecondMax: whole(0, 0, 1_000_000),
  /** What happens to who sends more: it is read from more slowly, or gets ERROR `too-many-frames`. */
  framesPerSecondPolicy: z.enum(['pause', 'disconnect'], { error: 'must be pause or disconnect' }).default('pause'),
  subscriptionsMax: whole(1_000, 1, 100_000),
  transactionsMax: whole(16, 1, 1_000),
  transactionMaxCount: whole(1_000, 1, 100_000),
  transactionMaxBytes: whole(8 * MIB, KIB, 256 * MIB),
  ackGraceMs: whole(5_000, 0, 10 * 60_000),
});

const MATCH_RULE =
  'must be /topic/..., /exchange/NAME/... or /user/queue/..., with * and #; what waits of a queue is bounded by prefetch-count';
const POLICY_RULE = 'must be disconnect, drop-oldest or latest';

/** What becomes of who reads too slowly, by what it has subscribed to; the first rule that covers all of that counts. */
export const slowConsumers = z
  .array(
    z.strictObject({
      match: z.string({ error: MATCH_RULE }).regex(/^\/(topic|exchange|user\/queue)\/./, { error: MATCH_RULE }),
      policy: z.enum(['disconnect', 'drop-oldest', 'latest'], { error: POLICY_RULE }),
    }),
  )
  .default([]);
