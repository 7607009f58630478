/**
 * What a frame reaches besides its destination. Its headers make others act in the client's name, and who may not do a
 * thing itself must not have it done: neither by a service that replies where `reply-to` says, nor by the broker, which
 * moves messages to a dead-letter exchange, or from a topic into a queue with a name (`x-queue-name`).
 *
 * RabbitMQ asks its users for the same: who binds a queue must be able to write to it, who gives it a dead-letter exchange
 * must be able to read it and to write to that exchange (https://www.rabbitmq.com/docs/access-control).
 */
import {
  type Destination,
  DestinationError,
  isNameOfRabbitMq,
  isReservedName,
  parseDestination,
  type TempQueue,
} from '../../destinations/destination.js';
import { HeaderError, hasQueueHeaders, parseQueueOptions } from '../../destinations/queue-options.js';
import { formatDestination } from '../../destinations/shown-destination.js';
import type { Action } from '../auth.js';

/** One thing that the policy has to allow. */
export interface RequiredPermission {
  readonly action: Action;
  readonly destination: Destination;
}

type Headers = ReadonlyMap<string, string>;

/** A message carries it as a short string of AMQP. */
const REPLY_TO_MAX_BYTES = 255;

const NONE: readonly RequiredPermission[] = [];

/**
 * `replyQueue` is what `reply-to` names, where that is a temporary queue of the session. Throws a DestinationError or
 * HeaderError.
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
  // A queue that drops or passes on what it gets is decided upon by those who may take messages from it, not by senders
  if (shapesQueue) permissions.push({ action: 'subscribe', destination }, ...permissionsOfDeadLetters(headers, 'send'));
  return permissions;
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

/** A service will send there, and may be allowed more than the client. */
function permissionsOfReply(replyTo: string): RequiredPermission[] {
  refuseLongReply(replyTo);
  if (!replyTo.startsWith('/')) return [queueNamed(replyTo), ...asAddress(replyTo)].map(toSend);
  if (!replyTo.startsWith('/user/queue/')) return [toSend(parseDestination(replyTo, 'send'))];
  const own: RequiredPermission = { action: 'subscribe', destination: parseDestination(replyTo, 'subscribe') };
  // To who sends there, this one is "x" of the user called "queue"
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
  if (!isNameOfRabbitMq(exchange)) return [exchangeNamed(exchange, key)];
  throw new DestinationError(`"${replyTo}" is an address of RabbitMQ itself: have replies sent to /temp-queue/NAME.`);
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

/** `key` undefined: whatever key a message has. The default exchange brings it to the queue of that name. */
function exchangeNamed(exchange: string, key: string | undefined): Destination {
  if (exchange === '' && key !== undefined) return queueNamed(key);
  const text = formatDestination(exchange, key ?? '#', '');
  return { kind: 'exchange', text, exchange, key: key ?? '#', ...(key === undefined && { anyKey: true }) };
}

/** The name is verbatim. The relay's own queues can be meant only as a client can reach them. */
function queueNamed(queue: string): Destination {
  if (isReservedName(queue)) return { kind: 'reply-queue', text: `/reply-queue/${queue}`, queue };
  return { kind: 'queue', text: formatDestination('', queue, ''), queue };
}
