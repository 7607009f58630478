/** SUBSCRIBE and UNSUBSCRIBE: into a group that shares its frames, or with a consumer of one's own at the broker. */
import type { AckMode, BrokerSubscription, SharedDestination } from '../../brokers/broker.js';
import { type Destination, parseDestination } from '../../destinations/destination.js';
import { argumentsText, bindingArguments, needsDedicatedQueue } from '../../destinations/queue-options.js';
import { quote, StompError } from '../../stomp/errors.js';
import type { Frame, Version } from '../../stomp/frame.js';
import { ackModes } from '../../stomp/rules.js';
import { type CommandSession, isTrue, type RefusedFrame, required } from './command.js';
import { furtherPermissionsOfSubscribe } from '../../auth/policy/required-permissions.js';
import { requireSubscribe } from '../../auth/policy/permission.js';
import { destinationOf, DedicatedSubscription, type Subscription } from '../../delivery/subscriptions.js';

export async function subscribe(session: CommandSession, frame: Frame): Promise<void> {
  // The client is gone, and what it had sent is still worked off: this would be for nobody.
  if (!session.canDeliver) return;
  const parsed = parseDestination(required(frame, 'destination'), 'subscribe');
  const destination = parsed.kind === 'user' ? { ...parsed, user: session.userName } : parsed;
  const ack = ackMode(frame, session.version);
  const key = subscriptionKey(frame);
  const id = frame.headers.get('id');
  if (id === 'relay' && session.extensions.size > 0) {
    throw new StompError('invalid-header', 'With relay-extensions the subscription id "relay" is the relay\'s own.');
  }
  checkIdLength(id, session.options.subscriptionIdMaxBytes);
  if (id?.startsWith('/temp-queue/')) {
    throw new StompError('invalid-header', 'A subscription id cannot begin with /temp-queue/: those name replies.');
  }
  const isOwn = needsDedicatedQueue(destination, ack, frame.headers);
  session.subscriptions.reserve(key, destination);
  try {
    const permission = requireSubscribe(session, destination, frame.headers);
    if (permission) await permission;
    if (!session.canDeliver) return;
    if (isOwn) {
      const subscription = await subscribeDedicated(session, frame, destination, key, id, ack);
      session.receipt(frame);
      subscription?.open();
    } else {
      await subscribeShared(session, frame, destination as SharedDestination, key, id);
      session.receipt(frame);
    }
  } catch (error) {
    session.subscriptions.release(key);
    throw error;
  }
}

/** It is kept for as long as the subscription, and goes out with each of its messages. */
function checkIdLength(id: string | undefined, maxBytes: number): void {
  const bytes = Buffer.byteLength(id ?? '');
  if (bytes <= maxBytes) return;
  const sentence = `The subscription id has ${bytes} bytes: at most subscriptionIdMaxBytes (${maxBytes}) are possible.`;
  throw new StompError('invalid-header', sentence);
}

function subscribeShared(
  session: CommandSession,
  frame: Frame,
  destination: SharedDestination,
  key: string,
  subscriptionId: string | undefined,
): Promise<void> {
  const { headers } = frame;
  const argumentsKey = destination.kind === 'exchange' ? argumentsText(bindingArguments(headers)) : '';
  const request = { destination, headers, argumentsKey, subscriptionId, version: session.version };
  return session.groups.join(session, request, (group) => {
    if (!session.canDeliver) return false;
    session.subscriptions.set(key, { kind: 'shared', group });
    return true;
  });
}

async function subscribeDedicated(
  session: CommandSession,
  frame: Frame,
  destination: Destination,
  key: string,
  id: string | undefined,
  ack: AckMode,
): Promise<DedicatedSubscription | undefined> {
  const needs = furtherPermissionsOfSubscribe(frame.headers);
  const subscription = new DedicatedSubscription(session, key, id, destination, session.version, ack, needs);
  const options = { ack, headers: frame.headers, subscriptionId: key };
  const consume = (): Promise<BrokerSubscription> => session.channel().consume(destination, options, subscription);
  const broker = await onceFree(session, destination, consume).catch((error: unknown) => {
    // What was delivered to it before the broker gave up goes back
    subscription.close();
    throw error;
  });
  if (!broker) return undefined;
  subscription.broker = broker;
  session.subscriptions.set(key, subscription);
  return subscription;
}

/** How long to wait before each further try: about a second in all. */
const RETRY_DELAYS_MS = [50, 100, 200, 400];

/**
 * A page that is reloaded is here again before the end of its old session has reached the broker, which may still hold
 * an exclusive queue for it, or be about to delete it. So that is tried again for a moment. Undefined: the client has
 * gone meanwhile.
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
    await new Promise<void>((resolve) => session.later(delayMs, resolve));
    if (!session.canDeliver) return undefined;
  }
  return consume();
}

function isLeaving(code: unknown, destination: Destination): boolean {
  // All but /amq/queue make their queue: one that is not found was there a moment ago.
  return code === 'queue-in-use' || (code === 'queue-not-found' && destination.kind !== 'amq-queue');
}

export async function unsubscribe(session: CommandSession, frame: Frame): Promise<void> {
  const key = subscriptionKey(frame);
  // Of a client that was gone before its SUBSCRIBE came to anything.
  if (!session.canDeliver && !session.subscriptions.has(key)) return;
  const forget = isTrue(frame.headers.get('durable')) || isTrue(frame.headers.get('persistent'));
  if (session.subscriptions.has(key) || forget) await leave(session, session.subscriptions.take(key), forget);
  else noteUnknown(session, key);
  session.receipt(frame);
}

/**
 * The client wants no messages of this subscription, and gets none: the RECEIPT is true. A component that unmounts after a
 * reconnect sends such a frame, and the session's other subscriptions must outlive it. To forget a durable subscription is
 * more: its queue would go on to fill, so that remains an error (`Subscriptions.take`).
 */
function noteUnknown(session: CommandSession, key: string): void {
  session.counters.unknownUnsubscribes++;
  session.log.debug(
    { session: session.id, subscription: key },
    'UNSUBSCRIBE of an unknown subscription changes nothing',
  );
}

async function leave(session: CommandSession, subscription: Subscription, forget: boolean): Promise<void> {
  if (subscription.kind === 'shared') return session.groups.leave(session, subscription.group);
  subscription.close();
  await subscription.broker?.close({ forget });
  giveBackLater(session, subscription);
}

/** The policy allows it no longer: it ends, and the session lives on. A durable one keeps its queue. */
export async function withdraw(session: CommandSession, key: string, error: unknown): Promise<void> {
  const subscription = session.subscriptions.take(key);
  const left = leave(session, subscription, false);
  session.report(error, subscribeFrame(key, subscription));
  // Nothing more is delivered; a broker that is away gives up the rest by itself
  await left.catch(() => undefined);
}

/** The broker has ended it for good. Its SUBSCRIBE is refused, though it was answered long ago. */
export function endSubscription(session: CommandSession, key: string, error: unknown): void {
  const subscription = session.subscriptions.take(key);
  if (subscription.kind === 'shared') session.groups.leave(session, subscription.group);
  else subscription.close();
  const livesOn = session.refuse(error, subscribeFrame(key, subscription));
  if (livesOn && subscription.kind === 'dedicated') giveBackLater(session, subscription);
}

function subscribeFrame(key: string, subscription: Subscription): RefusedFrame {
  const headers = new Map([
    ['id', key],
    ['destination', destinationOf(subscription).text],
  ]);
  return { command: 'SUBSCRIBE', headers };
}

/** An ACK for what was delivered before UNSUBSCRIBE may be on its way; what is left after the grace goes back. */
function giveBackLater(session: CommandSession, { ackQueue }: DedicatedSubscription): void {
  session.later(session.options.ackGraceMs, () => session.acks.giveBack(ackQueue));
}

/** STOMP 1.0 allows a subscription without an id, known by its destination. */
function subscriptionKey(frame: Frame): string {
  return frame.headers.get('id') ?? required(frame, 'destination');
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
