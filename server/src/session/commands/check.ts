/**
 * SEND to `/relay/check`: the relay's count of the messages that it delivered to a subscription since its SUBSCRIBE, and
 * how far that is. A client that has counted the same has lost nothing on the way.
 */
import { quote, StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { notify, receipt } from '../replies.js';
import { required } from './command.js';
import type { CommandSession } from './command.js';
import { countFlushes, flushTurn } from './flush-pace.js';

export const CHECK_DESTINATION = '/relay/check';

export function check(session: CommandSession, frame: Frame): Promise<void> | void {
  const turn = flushTurn(session);
  return turn ? turn.then(() => answer(session, frame)) : answer(session, frame);
}

function answer(session: CommandSession, frame: Frame): void {
  // The client is gone; its earlier frames are still handled
  if (!session.canDeliver) return;
  const key = required(frame, 'for-subscription');
  const subscription = session.subscriptions.get(key);
  if (!subscription) {
    throw new StompError(
      'unknown-subscription',
      `This session has no subscription ${quote(key)}: SUBSCRIBE to it first.`,
    );
  }
  const history = subscription.kind === 'shared' ? subscription.group.history : undefined;
  if (subscription.kind !== 'shared' || !history) {
    const sentence = `The broker keeps no history of the subscription ${quote(key)}, so its messages are not counted.`;
    throw new StompError('not-supported', sentence);
  }
  // Messages that wait for the end of the tick count as delivered
  countFlushes(session, 1);
  subscription.group.flush();
  const { delivered, position } = history.progressOf(session);
  const headers: [string, string][] = [
    ['for-subscription', key],
    ['relay-delivered', String(delivered)],
    ['relay-position', position],
  ];
  notify(session, 'check', headers, `${delivered} messages were delivered to this subscription.`);
  receipt(session, frame);
}
