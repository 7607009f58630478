/** SUBSCRIBE: the session joins a group that shares its frames, or gets its own consumer at the broker. */
import { requireSubscribe } from '../../auth/policy/permission.js';
import { permissionsOfSubscribe } from '../../auth/policy/required-permissions.js';
import type { AckMode, BrokerSubscription, SharedDestination } from '../../brokers/broker.js';
import { DedicatedSubscription } from '../../delivery/dedicated-subscription.js';
import type { Group } from '../../delivery/group.js';
import type { GroupRequest } from '../../delivery/message-encoder.js';
import { argumentsText, bindingArguments } from '../../destinations/binding-arguments.js';
import { parseDestination } from '../../destinations/destination.js';
import type { Destination } from '../../destinations/destination.js';
import { isDurableSubscription, needsDedicatedQueue } from '../../destinations/queue-options.js';
import { quote, StompError } from '../../stomp/errors.js';
import type { Frame, Version } from '../../stomp/frame.js';
import { ackModes } from '../../stomp/rules.js';
import { extensionsOf, sendReceipt } from '../replies.js';
import { liveFrom, notRecoverable, positionToResume, verdictHeaders } from '../resume.js';
import { isFalse, required, subscriptionKey } from './command.js';
import type { CommandSession } from './command.js';

interface SubscribeRequest {
  readonly destination: Destination;
  /** The session's key of the subscription. */
  readonly key: string;
  /** Undefined in STOMP 1.0, where a SUBSCRIBE may have none. */
  readonly id: string | undefined;
  readonly ack: AckMode;
  /** The position that the client returns with. */
  readonly since: string | undefined;
  readonly frame: Frame;
}

export async function subscribe(session: CommandSession, frame: Frame): Promise<void> {
  // The client is gone; its earlier frames are still handled.
  if (!session.canDeliver) return;
  const request = readRequest(session, frame);
  const { destination, key, ack } = request;
  const isDedicated = needsDedicatedQueue(destination, ack, frame.headers);
  session.subscriptions.reserve(key, destination, isDedicated);
  try {
    const permission = requireSubscribe(session, destination, frame.headers);
    if (permission) await permission;
    if (!session.canDeliver) return;
    if (isDedicated) {
      const subscription = await subscribeDedicated(session, request);
      answer(session, request, notRecoverable(request.since));
      subscription?.open();
    } else {
      // next: delivery/groups
      await subscribeShared(session, request);
    }
  } catch (error) {
    session.subscriptions.release(key);
    throw error;
  }
}

/** Throws a DestinationError or a StompError. */
function readRequest(session: CommandSession, frame: Frame): SubscribeRequest {
  const parsed = parseDestination(required(frame, 'destination'), 'subscribe');
  const destination = parsed.kind === 'user' ? { ...parsed, user: session.userName } : parsed;
  const ack = ackMode(frame, session.version);
  if (session.principal.anonymous && isDurableSubscription(destination, frame.headers)) throw new StompError(...GUEST);
  const id = frame.headers.get('id');
  checkId(id, session);
  refuseFilters(frame);
  return { destination, ack, key: subscriptionKey(frame), id, since: positionToResume(frame.headers), frame };
}

function answer(session: CommandSession, { frame }: SubscribeRequest, headers: readonly [string, string][]): void {
  sendReceipt(session, frame.headers.get('receipt'), headers);
}

/** All guests have the same name, so each could find the messages of another one, and no revocation would end them. */
const GUEST = [
  'access-denied',
  'A durable subscription needs a login, because its messages wait for one user: log in, or leave out "durable" and "persistent".',
] as const;

/** Bounds the id, because it is kept with the subscription and sent with each message. */
function checkId(id: string | undefined, session: CommandSession): void {
  if (id === 'relay' && extensionsOf(session).size > 0) {
    throw new StompError('invalid-header', 'The subscription id "relay" is reserved when relay-extensions are in use.');
  }
  const { subscriptionIdMaxBytes: maxBytes } = session.context.options;
  const bytes = Buffer.byteLength(id ?? '');
  if (bytes > maxBytes) {
    const sentence = `The subscription id has ${bytes} bytes: at most session.subscriptionIdMaxBytes (${maxBytes}) are allowed.`;
    throw new StompError('invalid-header', sentence);
  }
  if (id?.startsWith('/temp-queue/')) {
    throw new StompError(
      'invalid-header',
      'A subscription id cannot begin with /temp-queue/: such ids are reserved for replies.',
    );
  }
}

/** Other brokers filter messages by these headers. Without the filter a client would get messages that it excludes. */
function refuseFilters({ headers }: Frame): void {
  if (headers.has('selector')) {
    throw new StompError(
      'not-supported',
      'The header selector is not supported, because the relay does not filter messages: leave it out, and subscribe to a ' +
        'narrower topic, or to a headers exchange with arg-NAME.',
    );
  }
  const noLocal = headers.get('no-local');
  if (noLocal === undefined || isFalse(noLocal)) return;
  throw new StompError(
    'not-supported',
    'The header no-local is not supported, because a subscriber also gets its own messages: leave it out, and compare the ' +
      'header session of each message with that of CONNECTED.',
  );
}

/** The RECEIPT is written before the client can get a message. */
function subscribeShared(session: CommandSession, request: SubscribeRequest): Promise<void> {
  const { since } = request;
  const { groups } = session.context;
  const wanted = groupRequest(session, request);
  const { feed } = wanted;
  const admit = (group: Group, headers: readonly [string, string][]): boolean => {
    if (!session.canDeliver) return false;
    session.subscriptions.set(request.key, { kind: 'shared', group });
    answer(session, request, headers);
    return true;
  };
  if (!feed) return groups.join(session, wanted, (group) => admit(group, notRecoverable(since)));
  if (since === undefined) return groups.join(session, wanted, (group) => admit(group, liveFrom(feed.position)));
  return groups.resume(session, { ...wanted, feed }, since, (group, verdict) => admit(group, verdictHeaders(verdict)));
}

function groupRequest(session: CommandSession, { destination, id, frame }: SubscribeRequest): GroupRequest {
  const { headers } = frame;
  const argumentsKey = destination.kind === 'exchange' ? argumentsText(bindingArguments(headers)) : '';
  const shared = destination as SharedDestination;
  const request = { destination: shared, headers, argumentsKey, subscriptionId: id, version: session.version };
  const feed = session.context.broker.historyOf?.(shared);
  return feed ? { ...request, feed, hasNotices: extensionsOf(session).has('recovery') } : request;
}

/** Undefined if the client has gone in the meantime. */
async function subscribeDedicated(
  session: CommandSession,
  { destination, key, id, ack, frame: { headers } }: SubscribeRequest,
): Promise<DedicatedSubscription | undefined> {
  const subscription = new DedicatedSubscription(session, {
    key,
    subscriptionId: id,
    destination,
    version: session.version,
    ack,
    permissions: permissionsOfSubscribe(destination, headers),
  });
  const options = { ack, headers, subscriptionId: key };
  const consume = (): Promise<BrokerSubscription> =>
    session.resources.channel().consume(destination, options, subscription);
  const broker = await onceFree(session, destination, consume).catch((error: unknown) => {
    // Deliveries that arrived before the failure return to the queue.
    subscription.close();
    throw error;
  });
  if (!broker) return undefined;
  subscription.broker = broker;
  session.subscriptions.set(key, subscription);
  return subscription;
}

/** Waits before further attempts, about a second in total. */
const RETRY_DELAYS_MS = [50, 100, 200, 400];

/**
 * Calls `consume` again while the queue is in use or just being deleted. A reloaded page returns before the end of its
 * old session has reached the broker, which still holds the exclusive queue of that session. Undefined if the client
 * has gone in the meantime.
 */
async function onceFree(
  session: CommandSession,
  destination: Destination,
  consume: () => Promise<BrokerSubscription>,
): Promise<BrokerSubscription | undefined> {
  for (const delayMs of RETRY_DELAYS_MS) {
    try {
      return await consume();
    } catch (error) {
      if (!isLeaving((error as { code?: unknown }).code, destination)) throw error;
    }
    if (!session.canDeliver) return undefined;
    await new Promise<void>((resolve) => session.resources.later(delayMs, resolve));
    if (!session.canDeliver) return undefined;
  }
  return consume();
}

function isLeaving(code: unknown, destination: Destination): boolean {
  // Except for /amq/queue, SUBSCRIBE declares the queue: if it is not found, it was just deleted.
  return code === 'queue-in-use' || (code === 'queue-not-found' && destination.kind !== 'amq-queue');
}

function ackMode(frame: Frame, version: Version): AckMode {
  // STOMP 1.2, "SUBSCRIBE ack Header": if the header is not set, it defaults to auto
  const ack = frame.headers.get('ack') ?? 'auto';
  const modes = ackModes(version);
  const mode = modes.find((each) => each === ack);
  if (mode !== undefined) return mode;
  const allowed = `${modes.slice(0, -1).join(', ')} or ${modes.at(-1)}`;
  throw new StompError('invalid-header', `The header "ack" is ${allowed} in STOMP ${version}, not ${quote(ack)}.`);
}
