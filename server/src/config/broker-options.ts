/** Which broker, and how the relay deals with it. */
import { z } from 'zod';
import { DAY_MS, exchangeName, KIB, MIB, section, whole } from './option-kinds.js';

const BROKER_RULE = 'must be memory: or amqp://user:pass@host:5672/vhost (amqps for TLS; several, comma separated)';
const amqpUrl = z
  .string()
  .refine((text) => URL.canParse(text) && /^amqps?:$/.test(new URL(text).protocol), { error: BROKER_RULE })
  .refine((text) => new URL(text).hostname !== '', { error: BROKER_RULE });

/** `memory:`, or the addresses of a cluster's nodes. */
export const broker = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((url) => url.trim()) : value),
    z.union([z.tuple([z.literal('memory:')]), z.array(amqpUrl).min(1)], { error: BROKER_RULE }),
  )
  .transform((urls) =>
    urls[0] === 'memory:' ? { kind: 'memory' as const } : { kind: 'rabbitmq' as const, urls: urls as string[] },
  )
  .prefault('memory:');

/** What either broker does with the queues of its clients. */
const queues = {
  /** The exchange behind `/user`. */
  userExchange: exchangeName.default('stomp-relay.user'),
  /** Unsettled deliveries of a subscription to a queue that does not say `prefetch-count`, by its kind of ack. */
  autoPrefetch: whole(100, 1, 65_535),
  clientPrefetch: whole(1_000, 1, 65_535),
  /** How long a queue that belongs to a session outlives a relay that died. */
  queueExpiresMs: whole(5 * 60_000, 1_000, DAY_MS),
};

export const rabbitmq = section({
  ...queues,
  instanceQueueMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB),
  instancePrefetch: whole(1_000, 1, 65_535),
  instanceInFlightMaxBytes: whole(16 * MIB, 64 * KIB, 1024 * MIB),
  reconnectMinMs: whole(200, 10, 60_000),
  reconnectMaxMs: whole(10_000, 100, 10 * 60_000),
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000),
  publishTimeoutMs: whole(30_000, 100, 10 * 60_000),
  unconfirmedMax: whole(10_000, 1, 1_000_000),
  unconfirmedMaxBytes: whole(64 * MIB, 64 * KIB, 4096 * MIB),
  channelsPerConnection: whole(1_500, 1, 65_534),
  connectionsMax: whole(8, 1, 1_000),
  heartbeatSeconds: whole(10, 1, 3_600),
});

export const memory = section({
  ...queues,
  /** Besides `amq.topic`, `amq.direct`, `amq.fanout` and `amq.headers`. */
  exchanges: z
    .array(z.strictObject({ name: exchangeName, type: z.enum(['topic', 'direct', 'fanout', 'headers']) }))
    .default([]),
  /** All queues together. */
  messagesMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB),
  queueMaxBytes: whole(64 * MIB, KIB, 64 * 1024 * MIB),
  queuesMax: whole(10_000, 1, 1_000_000),
});
