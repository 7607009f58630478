/**
 * SEND to `/relay/flush`: its RECEIPT follows every message that the broker had routed to the session's subscriptions
 * without acks before the SEND came, also those that a replay of a history has yet to deliver. A client that moves to
 * another relay asks both relays. Frames behind it wait, so a session has one flush at a time (`flush-pace.ts`).
 */
import type { Group } from '../../delivery/group.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { finishesWithin } from '../../timing/deadline.js';
import { receipt } from '../replies.js';
import type { CommandSession } from './command.js';
import { countFlushes, flushTurn } from './flush-pace.js';

export const FLUSH_DESTINATION = '/relay/flush';

/** A client that reads a replay slowly holds up its own frames at most this long. */
const CATCH_UP_MAX_MS = 10_000;

const LATE =
  'Earlier messages may still be on their way, because the broker or a replay takes long: try again later, or do without.';

export async function flush(session: CommandSession, frame: Frame): Promise<void> {
  await flushTurn(session);
  // The client is gone; its earlier frames are still handled
  if (!session.canDeliver) return;
  const groups = session.subscriptions.all().flatMap((each) => (each.kind === 'shared' ? each.group : []));
  countFlushes(session, groups.length);
  const flushed = await Promise.all(groups.map((group) => hasAll(session, group)));
  if (flushed.includes(false)) throw new StompError('broker-unavailable', LATE);
  for (const group of groups) group.flush();
  receipt(session, frame);
}

async function hasAll(session: CommandSession, { live, history }: Group): Promise<boolean> {
  const subscription = await live;
  const isFlushed = (await subscription.flush?.()) ?? true;
  if (!isFlushed || !history) return isFlushed;
  return finishesWithin(history.whenCaughtUp(session), CATCH_UP_MAX_MS);
}
