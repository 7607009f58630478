/** UNSUBSCRIBE, and the other ways in which a subscription of a living session ends. */
import type { DedicatedSubscription } from '../../delivery/dedicated-subscription.js';
import { destinationOf, type Subscription } from '../../delivery/subscriptions.js';
import type { Frame } from '../../stomp/frame.js';
import type { RefusedFrame } from '../error-frame.js';
import { report } from '../refusals.js';
import { receipt } from '../replies.js';
import { type CommandSession, isTrue, subscriptionKey } from './command.js';

export async function unsubscribe(session: CommandSession, frame: Frame): Promise<void> {
  const { subscriptions, canDeliver } = session;
  const key = subscriptionKey(frame);
  // the client was gone before its SUBSCRIBE was done
  if (!canDeliver && !subscriptions.has(key)) return;
  const forget = isTrue(frame.headers.get('durable')) || isTrue(frame.headers.get('persistent'));
  if (subscriptions.has(key) || forget) await leave(session, subscriptions.take(key), forget);
  else noteUnknown(session, key);
  receipt(session, frame);
}

/**
 * The client wants no messages of this subscription, and gets none: the RECEIPT is true. A component that unmounts after a
 * reconnect sends such a frame, and the session's other subscriptions must outlive it. To forget a durable subscription is
 * more: its queue would go on to fill, so that remains an error (`Subscriptions.take`).
 */
function noteUnknown({ id, context }: CommandSession, key: string): void {
  context.counters.unknownUnsubscribes++;
  context.log.debug({ session: id, subscription: key }, 'UNSUBSCRIBE of an unknown subscription changes nothing');
}

async function leave(session: CommandSession, subscription: Subscription, forget: boolean): Promise<void> {
  if (subscription.kind === 'shared') return session.context.groups.leave(session, subscription.group);
  subscription.close();
  await subscription.broker?.close({ forget });
  giveBackLater(session, subscription);
}

/** The policy no longer allows the subscription. It ends and the session lives on; a durable one keeps its queue. */
export async function withdraw(session: CommandSession, key: string, error: unknown): Promise<void> {
  const subscription = session.subscriptions.take(key);
  const left = leave(session, subscription, false);
  report(session, error, subscribeFrame(key, subscription));
  // nothing more is delivered; a broker that is away gives up the rest by itself
  await left.catch(() => undefined);
}

/** The broker has ended the subscription for good: its SUBSCRIBE is refused, though it was answered long ago. */
export function endSubscription(session: CommandSession, key: string, error: unknown): void {
  const subscription = session.subscriptions.take(key);
  if (subscription.kind === 'shared') session.context.groups.leave(session, subscription.group);
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
function giveBackLater({ resources, context }: CommandSession, { ackQueue }: DedicatedSubscription): void {
  resources.later(context.options.ackGraceMs, () => resources.acks.giveBack(ackQueue));
}
