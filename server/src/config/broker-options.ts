/** The choice of broker, its limits, and its queues and exchanges. */
import { z } from 'zod';
import { DAY_MS, exchangeName, fileName, flag, KIB, MIB, section, whole } from './option-kinds.js';

const BROKER_RULE = 'must be memory: or amqp://user:pass@host:5672/vhost (amqps for TLS; several, comma separated)';
const amqpUrl = z
  .string()
  .refine((text) => URL.canParse(text) && /^amqps?:$/.test(new URL(text).protocol) && new URL(text).hostname !== '', {
    error: BROKER_RULE,
  });

/** `memory:`, or the addresses of a cluster's nodes. */
export const broker = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((url) => url.trim()) : value),
    z.union([z.tuple([z.literal('memory:')]), z.array(amqpUrl).min(1)], { error: BROKER_RULE }),
  )
  .transform((urls) =>
    urls[0] === 'memory:' ? { kind: 'memory' as const } : { kind: 'rabbitmq' as const, urls: urls as string[] },
  )
  .prefault('memory:')
  .describe(
    '`memory:` (embedded broker) or `amqp://user:pass@host:5672/vhost` (`amqps` for TLS). For a cluster, several addresses separated by commas.',
  );

/** Clients cannot address names with this prefix (`destinations/destination`). The exchange leads to every user. */
const RESERVED_PREFIX = 'stomp-relay.';
const USER_EXCHANGE_RULE = `must begin with ${RESERVED_PREFIX} (clients cannot reach such names by /exchange) and have at most 255 bytes`;
const userExchangeName = z
  .string({ error: USER_EXCHANGE_RULE })
  .refine((text) => text.startsWith(RESERVED_PREFIX) && Buffer.byteLength(text) <= 255, { error: USER_EXCHANGE_RULE });

const SAME_EXCHANGE_RULE =
  'must be another exchange than the one behind /user: otherwise /topic/# would show the messages to all users';

/** Options that are valid by themselves and contradict each other: path and rule. */
export function exchangeConflicts(options: {
  readonly topicExchange: string;
  readonly rabbitmq: { readonly userExchange: string };
  readonly memory: { readonly userExchange: string };
}): [string, string][] {
  const { topicExchange, rabbitmq, memory } = options;
  const isOfUsers = [rabbitmq.userExchange, memory.userExchange].includes(topicExchange);
  return isOfUsers ? [['topicExchange', SAME_EXCHANGE_RULE]] : [];
}

/** Queue headers that clients may use, for both brokers. */
export const queues = section({
  arguments: section({
    priorityMax: whole(10, 0, 255).describe(
      'Highest `x-max-priority` that a client may request for a queue; 0 allows none.',
    ),
    deadLetterQueuesMax: whole(16, 0, 10_000).describe(
      'Maximum number of queues with `x-dead-letter-exchange` that one account makes on a relay with RabbitMQ; 0 allows none. The account is the user, or the address where no login is checked; clients without an account ([shares](limits.md#shares)) have no limit. Existing queues do not count, and a queue no longer counts when it is deleted or has had no consumer for a day. A chain of K such queues makes K messages of each SEND.',
    ),
    boundDeadLetters: flag(false).describe(
      'Allow clients to set `x-dead-letter-...` also for queues behind topics, exchanges and users (durable subscriptions, subscriptions with acks). With N such queues one SEND can become N! messages.',
    ),
  }),
});

export const topics = section({
  keyWordsMax: whole(32, 2, 255).describe(
    'Maximum number of dot-separated words in a routing key or pattern. It also applies to `reply-to`, dead letters, names of queues, and names of users (one word less).',
  ),
  patternHashesMax: whole(1, 0, 4).describe(
    'Maximum number of `#` in a pattern; 0 allows none. Each additional `#` makes long keys more expensive for RabbitMQ: with 4, matching a long key can take minutes.',
  ),
});

/** The bounds of the queues at a broker, the same for both. */
const queueBounds = {
  queuesMax: whole(10_000, 1, 1_000_000).describe(
    'Maximum number of queues that clients make, without durable subscriptions and temporary queues. At RabbitMQ it counts those that the clients of this relay made within a day.',
  ),
  durableQueuesMax: whole(10_000, 1, 1_000_000).describe(
    'Maximum number of durable subscriptions that clients make. At RabbitMQ it counts those that the clients of this relay made within a day.',
  ),
  replyQueuesMax: whole(20_000, 1, 1_000_000).describe('Maximum number of temporary queues for replies.'),
};

/** Options of client queues, the same for both brokers. */
const clientQueues = {
  userExchange: userExchangeName.default('stomp-relay.user').describe('Name of the exchange behind `/user`.'),
  autoPrefetch: whole(1_000, 1, 65_535).describe(
    'Maximum number of unsettled deliveries of a queue subscription with `ack:auto`, unless SUBSCRIBE has `prefetch-count`.',
  ),
  clientPrefetch: whole(1_000, 1, 65_535).describe(
    'Maximum number of unsettled deliveries of a queue subscription with `ack:client` or `ack:client-individual`, unless SUBSCRIBE has `prefetch-count`.',
  ),
  queueExpiresMs: whole(5 * 60_000, 1_000, DAY_MS).describe(
    'Time in ms that the queue of a session outlives a relay that has crashed.',
  ),
};

const SERVER_NAME_RULE = 'must be a host name';
const tls = z
  .strictObject({
    caFile: fileName
      .optional()
      .describe(
        "PEM file with the authorities that may sign the broker's certificate. Without it, those that Node trusts.",
      ),
    certFile: fileName
      .optional()
      .describe('PEM file with the certificate of the relay, for brokers that require a client certificate.'),
    keyFile: fileName.optional().describe('PEM file with the private key of `certFile`, without a passphrase.'),
    serverName: z
      .string({ error: SERVER_NAME_RULE })
      .regex(/^[\w.-]+$/, { error: SERVER_NAME_RULE })
      .optional()
      .describe("Host name in the broker's certificate, if the relay connects by another name."),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: 'must have certFile and keyFile, or neither',
  });

const MANAGEMENT_RULE = 'must be an address such as http://rabbit.internal:15672';
const managementUrl = z
  .string({ error: MANAGEMENT_RULE })
  .refine((text) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol), { error: MANAGEMENT_RULE })
  .refine((text) => !/%(?![\da-f]{2})/i.test(text), { error: `${MANAGEMENT_RULE}, with "%" as %25` });

const LANE_RULE = 'must be /user/# or begin with /topic/';

export const rabbitmq = section({
  ...clientQueues,
  ...queueBounds,
  quorumQueuesMax: whole(500, 1, 1_000_000).describe(
    'Maximum number of quorum queues and streams that clients of this relay made within a day. Each takes several file descriptors and a log on disk at RabbitMQ, on several nodes.',
  ),
  /** For `amqps://`. Verification of the certificate cannot be switched off. */
  tls: tls.optional(),
  instanceQueueMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB).describe(
    "Maximum size in bytes of the messages that wait in one of the relay's own queues at RabbitMQ.",
  ),
  instanceQueueExpiresMs: whole(60_000, 1_000, DAY_MS).describe(
    "Time in ms that the relay's own queues at RabbitMQ outlive their connection. After a shorter outage the relay has missed no message; longer times cost RabbitMQ more when a relay is killed.",
  ),
  instancePrefetch: whole(1_000, 1, 65_535).describe(
    "Maximum number of messages in flight from one of the relay's own queues to the relay.",
  ),
  instanceInFlightMaxBytes: whole(16 * MIB, 64 * KIB, 1024 * MIB).describe(
    "Maximum size in bytes of the messages in flight from one of the relay's own queues. Large messages lower the number in flight.",
  ),
  canaryIntervalMs: whole(5_000, 100, 10 * 60_000).describe(
    "Time in ms between two [canaries](destinations.md#canaries) of each of the relay's own queues. It takes at most this time to notice that an exchange was deleted and declared again, and three times this time to notice that RabbitMQ delivers nothing for another reason.",
  ),
  lanes: z
    .array(z.string({ error: LANE_RULE }).regex(/^(\/user\/#|\/topic\/.+)$/, { error: LANE_RULE }))
    .max(32, { error: 'must have at most 32 lanes' })
    .default([])
    .describe(
      'Destinations that only relays consume, `/user/#` or topics with `*` and `#`. Many messages that clients send to them travel as one AMQP message ([lanes](lanes.md)). AMQP consumers do not get these messages.',
    ),
  lanesReadOnly: flag(false).describe(
    'Receive what other relays send in `lanes`, and send nothing in them: the first step when lanes are introduced, or taken back.',
  ),
  reconnectMinMs: whole(200, 10, 60_000).describe(
    'Upper bound in ms of the random wait before the first attempt to reconnect to RabbitMQ.',
  ),
  reconnectMaxMs: whole(10_000, 100, 10 * 60_000).describe(
    'Highest upper bound in ms of the wait between attempts to reconnect to RabbitMQ. The bound starts at `reconnectMinMs` and doubles with each attempt.',
  ),
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000).describe(
    'Time limit in ms for one attempt to connect to RabbitMQ, including TLS and login.',
  ),
  publishTimeoutMs: whole(30_000, 100, 10 * 60_000).describe(
    'Time limit in ms for each wait for RabbitMQ: for room to publish, a check, a confirm or a binding.',
  ),
  blockedTimeoutMs: whole(10 * 60_000, 0, DAY_MS).describe(
    'Time in ms by which a SEND waits longer than `publishTimeoutMs` while RabbitMQ blocks publishers, because it is short of memory or disk; 0: no longer. The relay does not read from its session meanwhile. HTTP requests do not wait longer.',
  ),
  publishChannels: whole(4, 1, 64).describe(
    'Number of channels for publishing, each on its own AMQP connection. A user always publishes on the same channel, and ' +
      'waits only for users that share it.',
  ),
  unconfirmedMax: whole(10_000, 1, 1_000_000).describe(
    'Maximum number of published messages without a confirm, for all sessions together. Each of the `publishChannels` has an equal share.',
  ),
  unconfirmedMaxBytes: whole(64 * MIB, 64 * KIB, 4096 * MIB).describe(
    'Maximum size in bytes of the published messages without a confirm, for all sessions together. Each of the `publishChannels` has an equal share.',
  ),
  channelsPerConnection: whole(1_500, 1, 65_534).describe(
    'Maximum number of channels of sessions on one AMQP connection.',
  ),
  connectionsMax: whole(8, 1, 1_000).describe('Maximum number of AMQP connections for the channels of sessions.'),
  managementUrl: managementUrl
    .optional()
    .describe(
      "Address of RabbitMQ's management API, with `user:pass@` if its login is another than that of `broker`. The relay lists durable " +
        'subscriptions there, for the [admin API](admin.md) and for revocations. Without it, it cannot list them.',
    ),
  heartbeatSeconds: whole(10, 1, 3_600).describe('Interval in seconds of AMQP heart-beats.'),
});

export const memory = section({
  ...clientQueues,
  ...queueBounds,
  exchanges: z
    .array(
      z.strictObject({
        name: exchangeName.describe('Name of the exchange.'),
        type: z.enum(['topic', 'direct', 'fanout', 'headers']).describe('Type of the exchange.'),
      }),
    )
    .default([])
    .describe('Exchanges in addition to `amq.topic`, `amq.direct`, `amq.fanout` and `amq.headers`.'),
  messagesMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB).describe(
    'Maximum size in bytes of the messages in all queues together.',
  ),
  queueMaxBytes: whole(64 * MIB, KIB, 64 * 1024 * MIB).describe('Maximum size in bytes of the messages in one queue.'),
  unusedQueueExpiresMs: whole(7 * DAY_MS, 0, 365 * DAY_MS).describe(
    'Time in ms after which a queue is deleted, with its messages, if it has had no consumer, SEND or SUBSCRIBE; 0: never. A queue with `x-expires` has its own time.',
  ),
  historyFile: fileName
    .optional()
    .describe(
      'File in which the embedded broker stores the messages of `history.rules`, for this relay alone. Without it, a restart loses them. It is synced each second.',
    ),
});
