/** Decides whether the faults of a run explain the ERRORs and the lost connections of its clients. */
import type { Effect } from './faults.js';
import type { EventOf, History, Refusal, Trouble } from './history.js';
import type { Finding } from './rules.js';

/** The time after a fault in which it may still end a session: missed heart-beats reveal silence late. */
export const AFTERMATH_MS = 6_000;
/**
 * The time after a fault in which a relay finds out about it: it connects again, opens its consumers, and waits for the
 * proof that a stream is still the same.
 */
export const JUDGE_MS = 16_000;
/** Codes with the effects that explain them; a correct client must not get any other ERROR. */
const EXPECTED_CODES: Readonly<Record<string, readonly Effect[]>> = {
  'broker-unavailable': ['hides RabbitMQ', 'blocks publishers'],
  overloaded: ['hides RabbitMQ', 'blocks publishers', 'ends sessions'],
  'heart-beat-timeout': ['ends sessions'],
};
/** The reasons in the sentence of `replay-interrupted`, with the effects that explain them. */
const INTERRUPTIONS: Readonly<Record<string, readonly Effect[]>> = {
  'other-history': ['replaces a history'],
  /** The rings of the stage are small: what comes at once when RabbitMQ is back moves past the place of a replay. */
  'too-old': ['cuts a history', 'replaces a history', 'hides RabbitMQ'],
  unavailable: ['hides RabbitMQ', 'replaces a history'],
  busy: ['hides RabbitMQ', 'replaces a history', 'blocks publishers', 'ends sessions'],
};

export function unexpectedErrors(history: History): Finding[] {
  return history
    .of('error')
    .filter((error) => !hasReason(history, error))
    .map(({ session, code, message, sentence = '' }) => ({
      sentence: `${session} got ERROR ${code} ${sentence}`.trimEnd(),
      messages: message ? [message] : [],
      sessions: [session],
    }));
}

export function dropped(history: History): Finding[] {
  const notified = new Set(history.of('error').flatMap(({ session, isSoft }) => (isSoft ? [] : [session])));
  return history
    .of('closed')
    .filter(({ session, intended }) => !intended && !notified.has(session))
    .filter(({ at }) => !isExplained(history, at, ['ends sessions']))
    .map(({ session, code }) => ({
      sentence: `${session} was closed with ${code}, without an ERROR and without a fault that cuts connections`,
      messages: [],
      sessions: [session],
    }));
}

function hasReason(history: History, { at, code, sentence = '', message }: Refusal): boolean {
  if (code !== 'replay-interrupted') {
    // A SEND waits for its deadline, so the fault may have been over for long
    const sent =
      code === 'broker-unavailable' ? history.of('sent').find((each) => each.message === message) : undefined;
    return isExplained(history, at, EXPECTED_CODES[code] ?? [], sent?.at);
  }
  const reason = /\(([a-z-]+)\)/.exec(sentence)?.[1] ?? '';
  return faultsWith(history, ...(INTERRUPTIONS[reason] ?? [])).some(
    (fault) => fault.at <= at && at <= noticedBy(history, fault),
  );
}

/** Whether a fault with one of these effects was going on, or had ended lately, at any time from `since` to `at`. */
function isExplained(history: History, at: number, by: readonly Effect[], since = at): boolean {
  return faultsWith(history, ...by).some((fault) => fault.at <= at && since <= fault.untilMs + AFTERMATH_MS);
}

/** The time by which all relays know of the fault. One that is cut off from RabbitMQ finds out when it is back. */
export function noticedBy(history: History, fault: Trouble): number {
  let untilMs = fault.untilMs + JUDGE_MS;
  for (const absence of faultsWith(history, 'hides RabbitMQ').sort((a, b) => a.at - b.at)) {
    if (absence.at <= untilMs) untilMs = Math.max(untilMs, absence.untilMs + JUDGE_MS);
  }
  return untilMs;
}

export function faultsWith(history: History, ...by: readonly Effect[]): EventOf<'fault'>[] {
  return history.of('fault').filter((fault) => fault.effects.some((effect) => by.includes(effect)));
}
