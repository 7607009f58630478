/**
 * The permissions that a frame needs besides the one for its destination. Headers make others act for the client: a
 * service replies to `reply-to`, and the broker moves messages to a dead-letter exchange, or from a topic into a named
 * queue (`x-queue-name`). A client must not reach a destination through them that it may not use itself.
 *
 * RabbitMQ has the same rules: to bind a queue, a user needs write permission for it; to give a queue a dead-letter
 * exchange, a user needs read permission for the queue and write permission for that exchange
 * (https://www.rabbitmq.com/docs/access-control).
 */
import {
  DestinationError,
  isUnreachableName,
  isReservedName,
  parseDestination,
  repliesToUnreachable,
} from '../../destinations/destination.js';
import type { Destination, TempQueue } from '../../destinations/destination.js';
import { HeaderError } from '../../destinations/header-values.js';
import { hasQueueHeaders, parseQueueOptions, queueArgumentsIn } from '../../destinations/queue-options.js';
import { formatDestination } from '../../destinations/shown-destination.js';
import type { Action } from '../auth.js';

/** An action on a destination that the policy must allow. */
export interface RequiredPermission {
  readonly action: Action;
  readonly destination: Destination;
  /** The arguments that the frame gives to the queue of this destination. */
  readonly queueArguments?: readonly string[];
}

type Headers = ReadonlyMap<string, string>;

/** AMQP carries it as a short string. */
const REPLY_TO_MAX_BYTES = 255;

const NONE: readonly RequiredPermission[] = [];

/**
 * `replyQueue` is given if `reply-to` names a temporary queue of the session. Throws a DestinationError or HeaderError.
 */
export function furtherPermissionsOfSend(
  destination: Destination,
  headers: Headers,
  replyQueue: TempQueue | undefined,
): readonly RequiredPermission[] {
  const replyTo = replyQueue ? '' : (headers.get('reply-to') ?? '');
  const shapesQueue = destination.kind === 'queue' && hasQueueHeaders(headers, 'send');
  if (replyTo === '' && !shapesQueue) return NONE;
  const permissions = replyTo === '' ? [] : permissionsOfReply(replyTo);
  // Headers can make a queue drop or forward messages, so they need permission to consume from it, not only to send
  if (shapesQueue) {
    const queueArguments = queueArgumentsIn(headers);
    permissions.push(
      { action: 'subscribe', destination, queueArguments },
      ...permissionsOfDeadLetters(headers, 'send'),
    );
  }
  return permissions;
}

/** All permissions that a SUBSCRIBE needs. Throws a HeaderError. */
export function permissionsOfSubscribe(destination: Destination, headers: Headers): readonly RequiredPermission[] {
  const queueArguments = queueArgumentsIn(headers);
  return [{ action: 'subscribe', destination, queueArguments }, ...furtherPermissionsOfSubscribe(headers)];
}

/** Throws a HeaderError. */
export function furtherPermissionsOfSubscribe(headers: Headers): readonly RequiredPermission[] {
  const { queueName } = parseQueueOptions(headers, 'subscribe');
  const permissions = permissionsOfDeadLetters(headers, 'subscribe');
  if (queueName !== undefined) {
    const destination = queueNamed(queueName);
    permissions.push({ action: 'subscribe', destination }, { action: 'send', destination });
  }
  return permissions.length === 0 ? NONE : permissions;
}

/** A service sends to this address, and the service may have more permissions than the client. */
function permissionsOfReply(replyTo: string): RequiredPermission[] {
  refuseLongReply(replyTo);
  if (repliesToUnreachable(replyTo)) throw new HeaderError(unreachable(replyTo));
  if (!replyTo.startsWith('/')) return [queueNamed(replyTo), ...asAddress(replyTo)].map(toSend);
  if (!replyTo.startsWith('/user/queue/')) return [toSend(parseDestination(replyTo, 'send'))];
  const own: RequiredPermission = { action: 'subscribe', destination: parseDestination(replyTo, 'subscribe') };
  // For a sender this address is the destination "x" of a user named "queue"
  const isAlsoOther = replyTo.startsWith('/user/queue/queue/');
  return isAlsoOther ? [own, toSend(parseDestination(replyTo, 'send'))] : [own];
}

function refuseLongReply(replyTo: string): void {
  const bytes = Buffer.byteLength(replyTo);
  if (bytes <= REPLY_TO_MAX_BYTES) return;
  throw new HeaderError(`The header reply-to has ${bytes} bytes: at most ${REPLY_TO_MAX_BYTES} are possible.`);
}

/** Spring AMQP reads `exchange/key` and `type://exchange/key` as addresses, after the last `://`, and replies there. */
function asAddress(replyTo: string): Destination[] {
  if (!replyTo.includes('/')) return [];
  const scheme = replyTo.lastIndexOf('://');
  const address = scheme === -1 ? replyTo : replyTo.slice(scheme + '://'.length);
  const slash = address.indexOf('/');
  const [exchange, key] = slash === -1 ? [address, ''] : [address.slice(0, slash), address.slice(slash + 1)];
  // The default exchange routes to the queue named by the key
  if (!isUnreachableName(exchange === '' ? key : exchange)) return [exchangeNamed(exchange, key)];
  throw new DestinationError(unreachable(replyTo));
}

function unreachable(replyTo: string): string {
  return `The header reply-to:${replyTo.slice(0, 60)} names an address of RabbitMQ itself, or of the relay: have replies sent to /temp-queue/NAME.`;
}

function toSend(destination: Destination): RequiredPermission {
  return { action: 'send', destination };
}

function permissionsOfDeadLetters(headers: Headers, action: Action): RequiredPermission[] {
  const given = parseQueueOptions(headers, action).arguments;
  const exchange = given['x-dead-letter-exchange'] as string | undefined;
  const key = given['x-dead-letter-routing-key'] as string | undefined;
  return exchange === undefined ? [] : [toSend(exchangeNamed(exchange, key))];
}

/** Without `key`, a message keeps its own key. The default exchange routes a message to the queue named by its key. */
function exchangeNamed(exchange: string, key: string | undefined): Destination {
  if (exchange === '' && key !== undefined) return queueNamed(key);
  const text = formatDestination(exchange, key ?? '#', '');
  return { kind: 'exchange', text, exchange, key: key ?? '#', ...(key === undefined && { anyKey: true }) };
}

/** `queue` is the unescaped name. Clients can reach the relay's own queues only as `/reply-queue/NAME`. */
function queueNamed(queue: string): Destination {
  if (isReservedName(queue)) return { kind: 'reply-queue', text: `/reply-queue/${queue}`, queue };
  return { kind: 'queue', text: formatDestination('', queue, ''), queue };
}
