/**
 * The table in docs/limits.md. Default and range of each limit come from the schema; the effect of reaching it is
 * written here. Every option whose name has the ending of a limit must have an entry.
 */
import type { z } from 'zod';
import { shownNumber, unitOf } from './options-table.js';
import { optionsOf } from './schema-options.js';

/** The endings of the names of limits. */
const LIMIT =
  /(Max|MaxBytes|MaxCount|[mM]axPayloadBytes|Prefetch|sessionsPerSecond|TimeoutMs|StallMs|waitMaxMs|lagMaxMs|channelsPerConnection|backlog)$/;

const error = (code: string): string => `ERROR \`${code}\``;
const frame = (when: string): Record<string, string> => ({
  [`limits.${when}.commandMaxBytes`]: error('command-too-long'),
  [`limits.${when}.headerMaxCount`]: error('too-many-headers'),
  [`limits.${when}.headerLineMaxBytes`]: error('header-too-long'),
  [`limits.${when}.headersMaxBytes`]: error('headers-too-large'),
  [`limits.${when}.bodyMaxBytes`]: error('body-too-large'),
});
const WAITS = 'the next login waits, up to `waitingMax`';
const PAUSE = 'the relay does not read from the client until there is room';

/** The effect of reaching each limit. */
export const EFFECTS: Readonly<Record<string, string>> = {
  // New connections
  'listen.backlog':
    'the kernel leaves the connection unanswered; the client’s kernel tries again after 1 s, 3 s and so on',
  'listen.httpConnectionsMax':
    'the network with the most connections loses its oldest; if that is the network of the new client: HTTP 503 with `Retry-After`; with TLS the connection is cut off',
  'listen.httpHeadersMaxBytes': 'HTTP 431',
  'limits.connectsPerSecondMax': `the session waits for up to \`loadShedding.waitMaxMs\`, then HTTP 503 with \`Retry-After\`; TCP: ${error('too-many-connects')}`,
  'limits.addressConnectsPerSecondMax': `the sessions of the address wait for up to \`loadShedding.waitMaxMs\`, then HTTP 503 with \`Retry-After\`; TCP: ${error('too-many-connects')}`,
  'loadShedding.lagMaxMs': 'from half of the limit on, the relay reads less from senders, and new sessions wait',
  'loadShedding.waitMaxMs': `HTTP 503 with \`Retry-After\`; TCP: ${error('overloaded')} or \`too-many-connects\``,
  'loadShedding.waitingMax': `HTTP 503 with \`Retry-After\`; TCP: ${error('overloaded')} or \`too-many-connects\``,
  sessionsMax: `${error('too-many-sessions')}, unless a session without a login makes room`,
  workerTimeoutMs: 'the worker is killed and replaced; its clients reconnect',
  memoryMaxBytes: `the relay does not read from the clients that hold most; after half a second, or an eighth above the limit, the largest end: ${error('memory-exhausted')}`,
  'limits.sessionsBeforeLoginMax': `${error('too-many-sessions')} for the oldest session of the network with the most; if that is the network of the new client: for the new one`,
  'limits.sessionsPerAddressMax': error('too-many-address-sessions'),
  'limits.sessionsPerUserMax': error('too-many-user-sessions'),
  'session.connectTimeoutMs': `HTTP 408 before the handshake (a TLS handshake is cut off), then ${error('connect-timeout')}; an authenticator that takes longer: ${error('authentication-unavailable')}`,
  'auth.authenticators[jwt].tokenMaxBytes': error('authentication-failed'),
  'auth.authenticators[jwt].verificationsMax': error('authentication-unavailable'),
  'auth.authenticators[jwt].jwksTimeoutMs': `the relay uses the keys that it has; if it has none: ${error('authentication-unavailable')}`,
  'auth.authenticators[users].checksMax': WAITS,
  'auth.authenticators[users].waitingMax': error('authentication-unavailable'),
  'auth.authenticators[users].checkTimeoutMs': error('authentication-unavailable'),
  'auth.authenticators[http].checksMax': WAITS,
  'auth.authenticators[http].waitingMax': error('authentication-unavailable'),
  'auth.authenticators[http].checkTimeoutMs': error('authentication-unavailable'),
  'auth.authenticators[http].answerMaxBytes': error('authentication-unavailable'),
  'auth.authenticators[rabbitmq].checksMax': WAITS,
  'auth.authenticators[rabbitmq].waitingMax': error('authentication-unavailable'),
  'auth.authenticators[rabbitmq].checkTimeoutMs': error('authentication-unavailable'),
  // Frames
  'websocket.beforeLoginMaxPayloadBytes': error('message-too-large'),
  'websocket.maxPayloadBytes': 'close code 1009',
  ...frame('beforeLogin'),
  ...frame('afterLogin'),
  'session.framesPerSecondMax': `with \`framesPerSecondPolicy: pause\` the relay reads from the client more slowly, with \`disconnect\`: ${error('too-many-frames')}`,
  // A session
  'session.subscriptionsMax': error('too-many-subscriptions'),
  'session.wildcardSubscriptionsMax': `${error('too-many-subscriptions')}; a stream: HTTP 400`,
  'limits.subscriptionsMax': error('too-many-subscriptions'),
  'limits.patternsMax': error('too-many-subscriptions'),
  'topics.keyWordsMax': `${error('invalid-destination')} or \`invalid-header\``,
  'topics.patternHashesMax': error('invalid-destination'),
  'session.subscriptionIdMaxBytes': error('invalid-header'),
  'session.replyAddressesMax': `${error('invalid-destination')} for a reply to an older address`,
  'session.transactionsMax': error('too-many-transactions'),
  'session.transactionMaxCount': error('transaction-too-large'),
  'session.transactionMaxBytes': error('transaction-too-large'),
  'session.transactionsMaxBytes': error('transaction-too-large'),
  'session.frameTimeoutMs': error('frame-timeout'),
  'session.inboxMaxBytes': PAUSE,
  'session.sendQueueMaxCount': PAUSE,
  'session.sendQueueMaxBytes': PAUSE,
  'session.sendQueuesMaxBytes': 'the relay does not read from any client with waiting SENDs until there is room',
  'session.unconfirmedMaxCount': 'the next SEND waits in the send queue',
  'session.messageMaxBytes':
    'the message is left out, and the next one of the subscription has `relay-dropped`; a message of a queue is rejected (dead letters)',
  'session.outboxMaxBytes': `${error('slow-consumer')}, or the policy in \`slowConsumers\``,
  'session.outboxStallMs': error('slow-consumer'),
  'websocket.closeTimeoutMs': 'the connection is cut off',
  // The HTTP API
  'http.bodyMaxBytes': 'HTTP 413 `request-too-large`',
  'http.bodiesMaxBytes': 'HTTP 503 `overloaded` with `Retry-After`',
  'http.messagesMax': 'HTTP 413 `request-too-large`',
  'http.publishTimeoutMs': 'the remaining messages are refused: `overloaded`',
  'http.idempotencyMaxCount': 'the user whose responses take the most memory loses the oldest of them',
  'http.idempotencyMaxBytes': 'the user whose responses take the most memory loses the oldest of them',
  'http.streamsMax': 'HTTP 503 `too-many-sessions` with `Retry-After`',
  'http.streamMaxBytes': 'the stream ends with the event `error`, `slow-consumer`',
  // Queues
  'queues.arguments.deadLetterQueuesMax': error('invalid-header'),
  'queues.arguments.priorityMax': error('invalid-header'),
  // RabbitMQ
  'rabbitmq.queuesMax': error('too-many-queues'),
  'rabbitmq.durableQueuesMax': error('too-many-queues'),
  'rabbitmq.replyQueuesMax': error('too-many-queues'),
  'rabbitmq.quorumQueuesMax': error('too-many-queues'),
  'rabbitmq.autoPrefetch': 'RabbitMQ delivers no more until the client has read messages',
  'rabbitmq.clientPrefetch': 'RabbitMQ delivers no more until the client has acknowledged messages',
  'rabbitmq.instancePrefetch': 'RabbitMQ delivers no more until the relay has passed messages on',
  'rabbitmq.instanceInFlightMaxBytes': 'RabbitMQ delivers fewer large messages at a time',
  'rabbitmq.instanceQueueMaxBytes': 'RabbitMQ drops the oldest messages of the relay’s queue',
  'rabbitmq.unconfirmedMax': 'SENDs wait; their sessions are paused',
  'rabbitmq.unconfirmedMaxBytes': 'SENDs wait; their sessions are paused',
  'rabbitmq.publishTimeoutMs': error('broker-unavailable'),
  'rabbitmq.blockedTimeoutMs': error('broker-unavailable'),
  'rabbitmq.connectTimeoutMs': 'the relay gives the attempt up and makes the next one',
  'rabbitmq.channelsPerConnection': 'another connection is opened, up to `rabbitmq.connectionsMax`',
  'rabbitmq.connectionsMax': error('too-many-channels'),
  // The embedded broker
  'memory.autoPrefetch': 'as with RabbitMQ',
  'memory.clientPrefetch': 'as with RabbitMQ',
  'memory.messagesMaxBytes': error('publish-refused'),
  'memory.queueMaxBytes':
    'as with `x-max-length-bytes`: the oldest messages are dropped, unless `x-overflow` selects otherwise',
  'memory.queuesMax': error('too-many-queues'),
  'memory.durableQueuesMax': error('too-many-queues'),
  'memory.replyQueuesMax': error('too-many-queues'),
  // Histories
  'history.ringMaxBytes': 'the oldest messages leave the memory; clients that missed them need a reader',
  'history.ringMaxCount': 'the oldest messages leave the memory; clients that missed them need a reader',
  'history.warmUpTimeoutMs': 'the relay is ready with the messages that it has read',
  'history.catchUpTimeoutMs': '`relay-recovered:false`, `ahead` or `unavailable`',
  'history.readersMax': 'the next client waits, up to `replayWaitMs`',
  'history.replayMaxBytes': `\`relay-recovered:false\`, \`too-much\`; after the receipt ${error('replay-interrupted')}`,
  'history.replayTimeoutMs': `\`relay-recovered:false\`, \`busy\`; after the receipt ${error('replay-interrupted')}`,
  'history.replayBufferMaxBytes': 'the reader leaves this client, and another one continues when there is room',
  'history.catchUpsMaxBytes': 'the next messages that clients missed wait',
  'history.markerMaxCount': 'the relay writes a marker',
  'history.markerMaxBytes': 'the relay writes a marker',
  // Operators
  'auth.revocationsMax': 'the oldest revocation is forgotten, with a warning in the log',
  'admin.pageMax': 'HTTP 400',
  'admin.answerTimeoutMs': 'the answer is sent without that worker, and names it',
  // The end
  'drain.sessionsPerSecond': 'the other sessions end later, but within `stopTimeoutMs`',
  stopTimeoutMs: 'the process ends and cuts off what is left',
};

/** The defaults that depend on other options or on the machine. */
const COMPUTED: Readonly<Record<string, string>> = {
  'websocket.maxPayloadBytes': 'twice the largest frame',
  memoryMaxBytes: '60 % of the memory, divided by `workers`',
  'limits.sessionsPerAddressMax': '1,000',
  'limits.sessionsPerUserMax': '1,000 where logins are checked, otherwise 0',
};

interface Limit {
  readonly path: string;
  readonly default: number | undefined;
  readonly minimum: number;
  readonly maximum: number;
}

export function limitsOf(schema: z.ZodType): Limit[] {
  return optionsOf(schema)
    .filter(({ path, schema: { type } }) => type === 'integer' && LIMIT.test(path))
    .map(({ path, schema: { default: preset, minimum = 0, maximum = 0 } }) => {
      return { path, default: preset as number | undefined, minimum, maximum };
    });
}

/** The table in Markdown, in the order of `EFFECTS`. */
export function limitsTable(schema: z.ZodType): string {
  const limits = new Map(limitsOf(schema).map((limit) => [limit.path, limit]));
  const rows = Object.entries(EFFECTS).map(([path, effect]) => {
    const limit = limits.get(path);
    if (limit === undefined) throw new Error(`${path} is not an option, or its name does not end like a limit`);
    const unit = unitOf(path);
    const preset = limit.default === undefined ? COMPUTED[path] : shownNumber(limit.default, unit);
    if (preset === undefined) throw new Error(`${path} has no default: describe it in COMPUTED`);
    return `| \`${path}\` | ${preset} | ${unit} | ${shownNumber(limit.minimum, unit)} to ${shownNumber(limit.maximum, unit)} | ${effect} |`;
  });
  return ['| option | default | unit | range | at the limit |', '|---|---|---|---|---|', ...rows].join('\n');
}
