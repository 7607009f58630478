/** UNSUBSCRIBE, and the other ends of a subscription while its session continues. */
import type { DedicatedSubscription } from '../../delivery/dedicated-subscription.js';
import { destinationOf } from '../../delivery/subscriptions.js';
import type { Subscription } from '../../delivery/subscriptions.js';
import type { Frame } from '../../stomp/frame.js';
import type { RefusedFrame } from '../error-frame.js';
import { report } from '../refusals.js';
import { receipt } from '../replies.js';
import { isTrue, subscriptionKey } from './command.js';
import type { CommandSession } from './command.js';

export async function unsubscribe(session: CommandSession, frame: Frame): Promise<void> {
  const { subscriptions, canDeliver } = session;
  const key = subscriptionKey(frame);
  // The client left before its SUBSCRIBE was handled.
  if (!canDeliver && !subscriptions.has(key)) return;
  const forget = isTrue(frame.headers.get('durable')) || isTrue(frame.headers.get('persistent'));
  if (subscriptions.has(key) || forget) await leave(session, subscriptions.take(key), forget);
  else noteUnknown(session, key);
  receipt(session, frame);
}

/**
 * An UNSUBSCRIBE of an unknown subscription is not an error: the client gets no messages of it, as requested. UI
 * components that unmount after a reconnect send such frames, and must not end the session. With `durable:true` it is
 * an error (`Subscriptions.take`), because the queue of the durable subscription would continue to fill.
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

/**
 * Ends a subscription that the policy no longer allows. The session continues. A durable subscription keeps its queue.
 */
export async function withdraw(session: CommandSession, key: string, error: unknown): Promise<void> {
  const subscription = session.subscriptions.take(key);
  const left = leave(session, subscription, false);
  report(session, error, subscribeFrame(key, subscription));
  // Deliveries have stopped; if the broker is unavailable, it releases the rest by itself.
  await left.catch(() => undefined);
}

/** Handles the end of a subscription by the broker: its SUBSCRIBE is refused, even if it was answered long ago. */
export function endSubscription(session: CommandSession, key: string, error: unknown): void {
  const subscription = session.subscriptions.take(key);
  if (subscription.kind === 'shared') session.context.groups.leave(session, subscription.group);
  else subscription.close();
  const survives = session.refuse(error, subscribeFrame(key, subscription));
  if (survives && subscription.kind === 'dedicated') giveBackLater(session, subscription);
}

function subscribeFrame(key: string, subscription: Subscription): RefusedFrame {
  const headers = new Map([
    ['id', key],
    ['destination', destinationOf(subscription).text],
  ]);
  return { command: 'SUBSCRIBE', headers };
}

/** ACKs for earlier deliveries may still arrive after UNSUBSCRIBE. After the grace the remaining deliveries return. */
function giveBackLater({ resources, context }: CommandSession, { ackQueue }: DedicatedSubscription): void {
  resources.later(context.options.ackGraceMs, () => resources.acks.giveBack(ackQueue));
}
