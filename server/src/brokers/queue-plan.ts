/**
 * Plans a dedicated subscription from its destination and headers: the queue, its origin, its binding, its consumer and
 * its lifetime.
 *
 * Every queue created here is durable and not exclusive at the broker. Newer RabbitMQs refuse transient shared queues,
 * and an exclusive queue ends with an AMQP connection that many sessions use. For `exclusive` and `durable:false` the
 * relay therefore uses an exclusive consumer and an expiry, and deletes the queue when the session ends.
 */
import { randomBytes } from 'node:crypto';
import { bindingArguments } from '../destinations/binding-arguments.js';
import type { BindingArguments } from '../destinations/binding-arguments.js';
import { otherSpelling, userKey } from '../destinations/destination.js';
import type { Destination } from '../destinations/destination.js';
import { checkKey, checkPattern } from '../destinations/key-limits.js';
import type { KeyLimits } from '../destinations/key-limits.js';
import { hasQueueHeaders, parseQueueOptions } from '../destinations/queue-options.js';
import type { Arguments, ConsumerOptions, QueueAction, QueueOptions } from '../destinations/queue-options.js';
import { BrokerError } from './broker.js';
import type { AckMode, ChannelOwner, ConsumeOptions, SharedDestination } from './broker.js';
import { durableQueue } from './durable-names.js';
import { refusing } from './message-checks.js';

/** The queue arguments that clients may use. */
export interface ArgumentRules {
  /** The highest `x-max-priority`. RabbitMQ keeps a separate queue for each priority. */
  readonly priorityMax: number;
  /** Queues with dead letters of one user. The embedded broker bounds the dead letters of a message instead. */
  readonly deadLetterQueuesMax: number;
  /**
   * Whether a queue that is bound to an exchange may have dead letters. If several such queues are bound to the target
   * of their dead letters, they pass each message on until every queue had it: N queues make N! copies.
   */
  readonly boundDeadLetters: boolean;
}

/** The settings of a broker for the queues of its clients. */
export interface QueueSettings {
  readonly queueArguments: ArgumentRules;
  /** The exchange behind `/topic`. */
  readonly topicExchange: string;
  /** The exchange behind `/user`: a topic exchange, reserved for the relay, which creates it if it is missing. */
  readonly userExchange: string;
  readonly topics: KeyLimits;
  /** Maximum number of unsettled deliveries without a `prefetch-count` in SUBSCRIBE, for each kind of ack. */
  readonly autoPrefetch: number;
  readonly clientPrefetch: number;
  /** The time that a session's queue outlives a relay that died. */
  readonly queueExpiresMs: number;
}

export interface QueueDeclaration {
  readonly autoDelete: boolean;
  readonly arguments: Arguments;
}

export interface QueueBinding {
  readonly exchange: string;
  readonly key: string;
  /** A second key that means the same and is bound too: programs encode the names of users in two ways. */
  readonly otherKey?: string | undefined;
  readonly arguments: BindingArguments;
}

/** A binding at RabbitMQ has one key. */
export function keysOf({ key, otherKey }: Pick<QueueBinding, 'key' | 'otherKey'>): readonly string[] {
  return otherKey === undefined ? [key] : [key, otherKey];
}

export interface QueuePlan {
  readonly queue: string;
  /** Used instead if it exists: the name of the queue in earlier versions, which may hold messages. */
  readonly formerQueue?: string | undefined;
  /**
   * `must-exist`: another program creates it. `as-found`: used as it is, or created (durable, plain) if it is missing.
   */
  readonly source: 'must-exist' | 'as-found' | QueueDeclaration;
  readonly binding?: QueueBinding;
  readonly exclusive: boolean;
  readonly consumer: ConsumerOptions;
  readonly prefetch: number;
  /** When the relay deletes it: never, on UNSUBSCRIBE with `forget`, with the subscription, or with the session. */
  readonly lifetime: 'kept' | 'until-forgotten' | 'subscription' | 'session';
}

/** AMQP counts in 16 bits. 0 would mean no limit: streams refuse that, and the relay's memory would have no bound. */
const PREFETCH_MAX = 65_535;

/** Throws a BrokerError. */
export function planConsumer(
  destination: Destination,
  options: ConsumeOptions,
  owner: ChannelOwner,
  settings: QueueSettings,
): QueuePlan {
  const parsed = coded(() => parseQueueOptions(options.headers, 'subscribe'));
  const consuming = {
    exclusive: parsed.exclusive === true,
    consumer: parsed.consumer,
    prefetch: prefetch(parsed, options.ack, settings),
  };
  switch (destination.kind) {
    case 'amq-queue':
      return { ...consuming, queue: destination.queue, source: 'must-exist', lifetime: 'kept' };
    case 'queue': {
      const source = declarationFor(options.headers, 'subscribe', settings) ?? 'as-found';
      const lifetime = isTransient(parsed) ? 'session' : 'kept';
      return { ...consuming, queue: destination.queue, source, lifetime };
    }
    case 'topic':
    case 'exchange':
    case 'user': {
      if (!settings.queueArguments.boundDeadLetters) refuseDeadLetters(parsed.arguments);
      const binding = bindingFor(destination, options.headers, settings);
      return { ...consuming, ...ownQueue(destination, options, owner, parsed, settings), binding };
    }
    case 'temp-queue':
    case 'reply-queue':
      throw new BrokerError(
        'invalid-destination',
        `${destination.text} cannot be subscribed to: it is for replies only.`,
      );
  }
}

/** The queue of one subscription to a topic, exchange or user. */
function ownQueue(
  destination: Destination,
  options: ConsumeOptions,
  owner: ChannelOwner,
  parsed: QueueOptions,
  settings: QueueSettings,
): Pick<QueuePlan, 'queue' | 'formerQueue' | 'source' | 'lifetime'> & { exclusive: boolean } {
  const isDurable = parsed.durable === true;
  const durable =
    isDurable && parsed.queueName === undefined ? durableQueue(destination, options.subscriptionId, owner) : undefined;
  const described = { ...parsed.arguments, ...durable?.description };
  return {
    queue: parsed.queueName ?? durable?.name ?? freshName('subscription'),
    formerQueue: durable?.formerName,
    source: declaration({ ...parsed, durable: isDurable, arguments: described }, settings, 'own'),
    // Two tabs with the same durable subscription would share its messages, so the second one is refused
    exclusive: parsed.exclusive === true || durable !== undefined,
    lifetime: isDurable ? 'until-forgotten' : 'subscription',
  };
}

/** For SEND and SUBSCRIBE on /queue/N. Returns undefined if no header configures the queue. Throws a BrokerError. */
export function declarationFor(
  headers: ReadonlyMap<string, string>,
  action: QueueAction,
  settings: QueueSettings,
): QueueDeclaration | undefined {
  if (!hasQueueHeaders(headers, action)) return undefined;
  return declaration(
    coded(() => parseQueueOptions(headers, action)),
    settings,
  );
}

/**
 * A queue that the relay deletes later gets an explicit type, because the default type of a virtual host may not
 * support auto-delete and x-expires. A permanent queue gets the default type that the operator chose.
 */
function declaration(parsed: QueueOptions, settings: QueueSettings, whose?: 'own'): QueueDeclaration {
  refuseManyPriorities(parsed.arguments, settings.queueArguments);
  // The dead-letter exchange may be a topic exchange
  const deadLetterKey = parsed.arguments['x-dead-letter-routing-key'];
  if (typeof deadLetterKey === 'string') refusing('invalid-header', () => checkKey(deadLetterKey, settings.topics));
  const isDeleted = isTransient(parsed);
  if (isDeleted && parsed.arguments['x-queue-type'] === 'stream') throw new BrokerError('invalid-header', STREAM_STAYS);
  return {
    autoDelete: parsed.autoDelete === true,
    arguments: {
      ...((isDeleted || whose === 'own') && { 'x-queue-type': 'classic' }),
      ...(isDeleted && { 'x-expires': settings.queueExpiresMs }),
      ...parsed.arguments,
    },
  };
}

function refuseManyPriorities({ 'x-max-priority': asked }: Arguments, { priorityMax }: ArgumentRules): void {
  if (asked === undefined || Number(asked) <= priorityMax) return;
  throw new BrokerError(
    'invalid-header',
    `The header x-max-priority:${asked} is not valid: its value must be at most queues.arguments.priorityMax (${priorityMax}).`,
  );
}

function refuseDeadLetters(given: Arguments): void {
  const name = Object.keys(given).find((each) => each.startsWith('x-dead-letter-'));
  if (name === undefined) return;
  throw new BrokerError(
    'invalid-header',
    `The header ${name} is accepted for /queue/NAME only: queues behind topics, exchanges and users could pass a message on ` +
      'to each other without end. queues.arguments.boundDeadLetters allows it.',
  );
}

/**
 * A stream cannot expire, and deleting it with the session could delete a stream of the same name that others created.
 */
const STREAM_STAYS =
  'A stream outlives its session: x-queue-type:stream needs durable:true behind a topic, exchange or user, and allows ' +
  'neither exclusive:true nor durable:false.';

function isTransient(parsed: QueueOptions): boolean {
  return parsed.exclusive === true || parsed.durable === false;
}

/** The binding of a shared destination. Throws a BrokerError. */
export function bindingFor(
  destination: SharedDestination,
  headers: ReadonlyMap<string, string>,
  settings: QueueSettings,
): QueueBinding {
  const key = destination.kind === 'user' ? keyOfUser(destination) : destination.key;
  // Any exchange may be a topic exchange, or lead to one
  coded(() => checkPattern(key, settings.topics));
  switch (destination.kind) {
    case 'topic':
      return { exchange: settings.topicExchange, key, arguments: {} };
    case 'exchange':
      return { exchange: destination.exchange, key, arguments: coded(() => bindingArguments(headers)) };
    case 'user':
      return { exchange: settings.userExchange, key, otherKey: otherSpelling(key), arguments: {} };
  }
}

export function keyOfUser(destination: Extract<Destination, { kind: 'user' }>): string {
  const { user, name, text } = destination;
  if (user === undefined) throw new BrokerError('invalid-destination', `${text} does not name a user.`);
  return coded(() => userKey(user, name));
}

/** The queue for replies to one session. */
export function replyQueuePlan(settings: QueueSettings): QueuePlan {
  return {
    queue: freshName('reply'),
    source: declaration({ durable: false, arguments: {}, consumer: {} }, settings),
    exclusive: true,
    consumer: {},
    prefetch: settings.autoPrefetch,
    lifetime: 'session',
  };
}

const REPLY_PREFIX = 'stomp-relay.reply.';

export const isReplyName = (queue: string): boolean => queue.startsWith(REPLY_PREFIX);

export function freshName(label: string): string {
  return `stomp-relay.${label}.${randomBytes(18).toString('base64url')}`;
}

function prefetch(parsed: QueueOptions, ack: AckMode, settings: QueueSettings): number {
  const count = parsed.prefetch ?? (ack === 'auto' ? settings.autoPrefetch : settings.clientPrefetch);
  return count === 0 ? PREFETCH_MAX : count;
}

/** The errors of `destinations/` use codes of the same names. */
function coded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    const { code, message } = cause as { code?: unknown; message: string };
    if (code === 'invalid-header' || code === 'invalid-destination') throw new BrokerError(code, message, { cause });
    throw cause;
  }
}
