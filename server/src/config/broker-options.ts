/** Which broker, and how the relay deals with it. */
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
    '`memory:` (embedded) or `amqp://user:pass@host:5672/vhost` (`amqps` for TLS); several, comma separated, for a cluster',
  );

/** Clients reach nothing that is called so (`destinations/destination`), and this exchange leads to any user. */
const RESERVED_PREFIX = 'stomp-relay.';
const USER_EXCHANGE_RULE = `must begin with ${RESERVED_PREFIX} (names that clients cannot reach by /exchange), 255 bytes at most`;
const userExchangeName = z
  .string({ error: USER_EXCHANGE_RULE })
  .refine((text) => text.startsWith(RESERVED_PREFIX) && Buffer.byteLength(text) <= 255, { error: USER_EXCHANGE_RULE });

const SAME_EXCHANGE_RULE =
  'must be another exchange than the one behind /user, of which /topic/# would show all messages';

/** Options that fit their own rules and not each other: path and rule. */
export function exchangeConflicts(options: {
  readonly topicExchange: string;
  readonly rabbitmq: { readonly userExchange: string };
  readonly memory: { readonly userExchange: string };
}): [string, string][] {
  const { topicExchange, rabbitmq, memory } = options;
  const isOfUsers = [rabbitmq.userExchange, memory.userExchange].includes(topicExchange);
  return isOfUsers ? [['topicExchange', SAME_EXCHANGE_RULE]] : [];
}

/** Which queue headers clients may use, on either broker. */
export const queues = section({
  arguments: section({
    priorityMax: whole(10, 0, 255).describe('the highest `x-max-priority` that a client may ask for'),
    boundDeadLetters: flag(false).describe(
      'clients may set `x-dead-letter-...` also for queues behind topics, exchanges and users (durable subscriptions, those with acks): with N of them one SEND can become N! messages',
    ),
  }),
});

export const topics = section({
  keyWordsMax: whole(32, 2, 255).describe(
    'words, between dots, of a routing key or pattern, also in `reply-to`, in dead letters, of the name of a queue, and of a user (one less)',
  ),
  patternHashesMax: whole(1, 0, 4).describe(
    '`#` in a pattern; each more makes long keys dearer for RabbitMQ, up to minutes with 4 of them and long keys',
  ),
});

/** What either broker does with the queues of its clients. */
const clientQueues = {
  userExchange: userExchangeName.default('stomp-relay.user').describe('the exchange behind `/user`'),
  autoPrefetch: whole(100, 1, 65_535).describe(
    'unsettled deliveries of a subscription with `ack:auto` to a queue that does not say `prefetch-count`',
  ),
  clientPrefetch: whole(1_000, 1, 65_535).describe('the same for the client acks'),
  queueExpiresMs: whole(5 * 60_000, 1_000, DAY_MS).describe(
    'how long a queue that belongs to a session outlives a relay that died',
  ),
};

const SERVER_NAME_RULE = 'must be a host name';
const tls = z
  .strictObject({
    caFile: fileName
      .optional()
      .describe("PEM file: who signs the broker's certificate; not given: those whom Node trusts"),
    certFile: fileName.optional().describe('PEM file: a certificate of the relay, where the broker asks for one'),
    keyFile: fileName.optional().describe('PEM file: its private key, without a passphrase'),
    serverName: z
      .string({ error: SERVER_NAME_RULE })
      .regex(/^[\w.-]+$/, { error: SERVER_NAME_RULE })
      .optional()
      .describe("the name in the broker's certificate, where the relay connects by another one"),
  })
  .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
    error: 'must have certFile and keyFile, or neither',
  });

export const rabbitmq = section({
  ...clientQueues,
  /** For `amqps://`. That the certificate is verified cannot be switched off. */
  tls: tls.optional(),
  instanceQueueMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB).describe(
    "messages that wait in one of the relay's own queues",
  ),
  instancePrefetch: whole(1_000, 1, 65_535).describe("messages on their way from one of the relay's own queues"),
  instanceInFlightMaxBytes: whole(16 * MIB, 64 * KIB, 1024 * MIB).describe(
    'the same in bytes: when messages are large, fewer are on their way',
  ),
  reconnectMinMs: whole(200, 10, 60_000).describe(
    'after a lost connection the relay waits a random time, at first at most this,',
  ),
  reconnectMaxMs: whole(10_000, 100, 10 * 60_000).describe('and doubled each time up to this'),
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000).describe('for one attempt to connect, TLS and login included'),
  publishTimeoutMs: whole(30_000, 100, 10 * 60_000).describe(
    'the longest wait for anything of the broker: room, a check, a confirm, a binding',
  ),
  publishChannels: whole(4, 1, 64).describe(
    'channels to publish on, each on an AMQP connection of its own: a user always has the same one, and waits only for ' +
      'users that share it',
  ),
  unconfirmedMax: whole(10_000, 1, 1_000_000).describe(
    'messages published and not yet confirmed, all sessions together; each of the `publishChannels` has an equal share',
  ),
  unconfirmedMaxBytes: whole(64 * MIB, 64 * KIB, 4096 * MIB).describe('the same in bytes'),
  channelsPerConnection: whole(1_500, 1, 65_534).describe('channels of sessions on one AMQP connection'),
  connectionsMax: whole(8, 1, 1_000).describe('AMQP connections for the channels of sessions'),
  heartbeatSeconds: whole(10, 1, 3_600).describe('AMQP heart-beats'),
});

export const memory = section({
  ...clientQueues,
  exchanges: z
    .array(
      z.strictObject({
        name: exchangeName.describe('the name of an exchange'),
        type: z.enum(['topic', 'direct', 'fanout', 'headers']).describe('its type'),
      }),
    )
    .default([])
    .describe('exchanges besides `amq.topic`, `amq.direct`, `amq.fanout` and `amq.headers`'),
  messagesMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB).describe('messages in all queues together'),
  queueMaxBytes: whole(64 * MIB, KIB, 64 * 1024 * MIB).describe('messages in a queue'),
  queuesMax: whole(10_000, 1, 1_000_000).describe('queues there may be'),
});
