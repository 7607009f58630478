/**
 * The messages to topics and users that a listener did not get: it was subscribed before the SEND, stayed connected,
 * and the message was confirmed. Only a fault that loses messages excuses it, for the time of the fault and of its
 * aftermath. Later, a relay that still misses messages must at least not be ready.
 */
import { grouped, isQueue, partsOf } from './history.js';
import type { History, MessageName } from './history.js';

/** The relay notices a loss at its next canary (`canaryIntervalMs` of the stage is 1 s), and binds its keys again. */
export const LOSS_AFTERMATH_MS = 5_000;
/** The readiness is looked at from time to time. */
const READINESS_LAG_MS = 1_000;

export interface Miss {
  readonly session: string;
  readonly message: MessageName;
  readonly sentAt: number;
  readonly confirmedAt: number;
}

interface Period {
  at: number;
  untilMs: number;
}

/** Whether the history has a fault that loses messages. */
export function hasLoss(history: History): boolean {
  return history.of('fault').some(({ effects }) => effects.includes('loses messages'));
}

export function unexcusedMisses(history: History): Miss[] {
  const losses = periodsOfLoss(history);
  const urls = new Map(history.of('connected').map(({ session, url }) => [session, url]));
  const unready = grouped(unreadyPeriods(history), ({ url }) => url);
  return missesOf(history).filter(({ session, sentAt, confirmedAt }) => {
    const earlier = losses.filter(({ at }) => at <= confirmedAt);
    if (earlier.length === 0) return true;
    const ofRelay = unready.get(urls.get(session) ?? '') ?? [];
    const isExcuse = ({ at, untilMs }: Period): boolean => at <= confirmedAt && sentAt <= untilMs;
    return ![...earlier, ...ofRelay].some(isExcuse);
  });
}

function missesOf(history: History): Miss[] {
  const sentAt = new Map(history.of('sent').map(({ message, at }) => [message, at]));
  const ended = new Set(history.of('closed').flatMap(({ session, intended }) => (intended ? [] : [session])));
  const delivered = new Set(history.of('delivered').map(({ session, message }) => `${session} ${message}`));
  const confirmed = grouped(history.of('confirmed'), ({ message }) => partsOf(message).destination);
  return history
    .of('subscribed')
    .filter(({ session, destination }) => !isQueue(destination) && !ended.has(session))
    .flatMap(({ at, session, destination }) =>
      (confirmed.get(destination) ?? [])
        .map(({ message, at: confirmedAt }) => ({ session, message, sentAt: sentAt.get(message) ?? 0, confirmedAt }))
        .filter((each) => each.sentAt >= at && !delivered.has(`${session} ${each.message}`)),
    );
}

/**
 * Chains of faults in which one loses messages. While RabbitMQ is away for a relay, confirmed messages wait in the
 * relay's queue, and a later fault of the chain loses them.
 */
function periodsOfLoss(history: History): Period[] {
  const chains: (Period & { loses: boolean })[] = [];
  for (const { at, untilMs: endMs, effects } of history.of('fault').sort((a, b) => a.at - b.at)) {
    const loses = effects.includes('loses messages');
    if (!loses && !effects.includes('hides RabbitMQ')) continue;
    const untilMs = endMs + LOSS_AFTERMATH_MS;
    const chain = chains.at(-1);
    if (chain && at <= chain.untilMs) {
      chain.untilMs = Math.max(chain.untilMs, untilMs);
      chain.loses ||= loses;
    } else chains.push({ at, untilMs, loses });
  }
  return chains.filter(({ loses }) => loses);
}

function unreadyPeriods(history: History): (Period & { readonly url: string })[] {
  const periods: (Period & { readonly url: string })[] = [];
  const open = new Map<string, Period>();
  for (const { at, url, isReady } of history.of('readiness')) {
    const period = open.get(url);
    if (!isReady && !period) {
      const begun = { url, at: at - READINESS_LAG_MS, untilMs: Infinity };
      periods.push(begun);
      open.set(url, begun);
    } else if (isReady && period) {
      period.untilMs = at + READINESS_LAG_MS;
      open.delete(url);
    }
  }
  return periods;
}
