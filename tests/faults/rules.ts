/**
 * The guarantees of a relay under any fault. Each rule is a function from the history of a run to its violations.
 *
 * These are not guaranteed, and therefore not checked:
 * - Order across sessions: a reconnected client may overtake the messages of its previous session, perhaps at another
 *   relay.
 * - Order of redeliveries. The broker returns an unacknowledged message to its old place, but may already have given
 *   later messages to another subscriber: `redelivered:true` may be late. In a queue with several consumers the same is
 *   true of a second copy (`relay-resent:true`) whose first copy another consumer holds, and of a first copy that RabbitMQ
 *   reads late, after an alarm, from a connection that the relay has lost. So is a second copy for a topic or a user whose
 *   first copy a fault has lost.
 * - Topics and users while a subscriber is away, and while a fault loses messages (misses.ts).
 */
import { AFTERMATH_MS, dropped, faultsWith, noticedBy, unexpectedErrors } from './error-reasons.js';
import { grouped, isQueue, partsOf } from './history.js';
import type { Delivered, History, MessageName, Refusal, Trouble } from './history.js';
import { hasLoss, unexcusedMisses } from './misses.js';
import { RECOVERY_RULES } from './recovery-rules.js';

export interface Violation {
  readonly rule: string;
  readonly sentence: string;
  /** The report includes the events of these messages and sessions. */
  readonly messages: readonly MessageName[];
  readonly sessions: readonly string[];
}

export type Finding = Omit<Violation, 'rule'>;
export type Rule = (history: History) => Finding[];

/** `publishTimeoutMs` of the stage. */
export const PUBLISH_TIMEOUT_MS = 10_000;
/** RabbitMQ and the relay notice an alarm late. */
const ALARM_LAG_MS = 1_000;
/** The sentence of a refusal by the stream of a history. */
const UNKEPT = /does not keep messages in the stream/;
/** A refusal because of an earlier one of the session comes with it. */
const TOGETHER_MS = 1_000;
export const RULES: Readonly<Record<string, Rule>> = {
  'a confirmed message to a queue is delivered': lost,
  'only a marked message comes twice': unmarkedDuplicates,
  'order is kept': disorder,
  'a SEND with a receipt is answered once': wronglyAnswered,
  'every delivered message was sent to that destination': foreign,
  'after the faults every listener gets every message': missed,
  'a cut link loses nothing': lostWithoutLoss,
  'a loss ends with its fault': lostAfterLoss,
  'a SEND is unavailable only after its deadline': refusedEarly,
  'a client without room is answered': unanswered,
  'an ERROR has a reason': unexpectedErrors,
  'the end of a session has a reason': dropped,
  ...RECOVERY_RULES,
};

export function check(history: History): Violation[] {
  return Object.entries(RULES).flatMap(([rule, find]) => find(history).map((finding) => ({ rule, ...finding })));
}

function about(message: MessageName, sentence: string, ...sessions: string[]): Finding {
  return { sentence: `${message}: ${sentence}`, messages: [message], sessions };
}

function lost(history: History): Finding[] {
  const delivered = new Set(history.of('delivered').map(({ message }) => message));
  return history
    .of('confirmed')
    .filter(({ message }) => isQueue(partsOf(message).destination) && !delivered.has(message))
    .map(({ message, session }) => about(message, 'confirmed and never delivered', session));
}

/** At most one copy is unmarked, in any order of arrival. For a queue, the copies of all subscribers count together. */
function unmarkedDuplicates(history: History): Finding[] {
  const findings: Finding[] = [];
  const scopeOf = (each: Delivered): string => (isQueue(each.destination) ? each.destination : each.session);
  const copies = grouped(history.of('delivered'), (each) => `${scopeOf(each)} ${each.destination} ${each.message}`);
  for (const all of copies.values()) {
    const unmarked = all.filter(({ redelivered, resent }) => !redelivered && !resent);
    const [first] = unmarked;
    if (!first || unmarked.length < 2) continue;
    const sessions = unmarked.map(({ session }) => session);
    findings.push(about(first.message, `delivered ${unmarked.length} times without a mark`, ...sessions));
  }
  return findings;
}

/** Checks each combination of subscription, publishing session and destination. */
function disorder(history: History): Finding[] {
  const findings: Finding[] = [];
  // A return may begin behind a first copy: the order of a history is that of its log
  const deliveries = history.of('delivered').filter(({ kept }) => !kept);
  const copies = grouped(deliveries, ({ message }) => message);
  const isFirstOf = new Set<string>();
  const canLose = hasLoss(history);
  const inOrder = deliveries.filter((each) => {
    if (isQueue(each.destination)) return hasPlace(each, copies.get(each.message) ?? []);
    if (each.resent && canLose) return false;
    const place = `${each.session} ${each.destination} ${each.message}`;
    return !isFirstOf.has(place) && isFirstOf.add(place);
  });
  const streamOf = (each: Delivered): string => {
    const { session, destination } = partsOf(each.message);
    return `${each.session} ${each.destination} ${session} ${destination}`;
  };
  for (const stream of grouped(inOrder, streamOf).values()) {
    for (const [i, each] of stream.slice(1).entries()) {
      const before = stream[i];
      if (!before || partsOf(before.message).number <= partsOf(each.message).number) continue;
      const finding = about(each.message, `delivered after ${before.message}`, each.session);
      findings.push({ ...finding, messages: [before.message, each.message] });
    }
  }
  return findings;
}

/** Whether a message from a queue, with all its `copies`, must be in its original order. */
function hasPlace({ redelivered }: Delivered, copies: readonly Delivered[]): boolean {
  return !redelivered && (copies.length === 1 || !copies.some(({ resent }) => resent));
}

function wronglyAnswered(history: History): Finding[] {
  const closed = new Set(history.of('closed').map(({ session }) => session));
  const errors = history.of('error').flatMap(({ session, message }) => (message ? [{ session, message }] : []));
  const answers = grouped([...history.of('confirmed'), ...errors], ({ message }) => message);
  return history.of('sent').flatMap(({ session, message }) => {
    const count = answers.get(message)?.length ?? 0;
    if (count > 1) return [about(message, `answered ${count} times`, session)];
    return count === 1 || closed.has(session) ? [] : [about(message, 'not answered on an open connection', session)];
  });
}

function foreign(history: History): Finding[] {
  const sent = new Set(history.of('sent').map(({ message }) => message));
  return history.of('delivered').flatMap(({ message, destination, session }) => {
    if (!sent.has(message)) return [about(message, 'delivered, but never sent', session)];
    return partsOf(message).destination === destination ? [] : [about(message, `delivered to ${destination}`, session)];
  });
}

/** After the calm, the relays match the subscriptions of all sessions. */
function missed(history: History): Finding[] {
  const calm = history.of('calm').at(0)?.at ?? Infinity;
  const left = new Set(history.of('closed').flatMap(({ session, intended }) => (intended ? [] : [session])));
  const sentInCalm = new Set(history.of('sent').flatMap(({ at, message }) => (at >= calm ? [message] : [])));
  const confirmed = history.of('confirmed').filter(({ message }) => sentInCalm.has(message));
  const listeners = history
    .of('subscribed')
    .filter(({ at, session, destination }) => at <= calm && !left.has(session) && !isQueue(destination));
  const delivered = new Set(history.of('delivered').map(({ session, message }) => `${session} ${message}`));
  return listeners.flatMap(({ session, destination }) =>
    confirmed
      .filter(({ message }) => partsOf(message).destination === destination)
      .filter(({ message }) => !delivered.has(`${session} ${message}`))
      .map(({ message }) => about(message, `confirmed, and ${session} did not get it`, session)),
  );
}

function lostWithoutLoss(history: History): Finding[] {
  return hasLoss(history) ? [] : misses(history);
}

function lostAfterLoss(history: History): Finding[] {
  return hasLoss(history) ? misses(history) : [];
}

function misses(history: History): Finding[] {
  return unexcusedMisses(history).map(({ message, session }) => about(message, `${session} did not get it`, session));
}

/** The deadline does not include the time of alarms, unless RabbitMQ was away as well. */
function refusedEarly(history: History): Finding[] {
  const sentAt = new Map(history.of('sent').map(({ message, at }) => [message, at]));
  const isEarly = ({ at, message = '', sentence = '' }: Refusal): boolean => {
    if (UNKEPT.test(sentence)) return !wasUnkept(history, at);
    const since = sentAt.get(message) ?? at;
    const freeMs = wasHidden(history, since, at) ? 0 : blockedMs(history, since, at);
    return at - since - freeMs < PUBLISH_TIMEOUT_MS - (freeMs > 0 ? ALARM_LAG_MS : 0);
  };
  const refusals = history.of('error').filter(({ code, message }) => code === 'broker-unavailable' && message);
  return [...grouped(refusals, ({ session }) => session).values()].flatMap((ofSession) => {
    const due = ofSession.filter((refusal) => !isEarly(refusal));
    const isTogether = ({ at }: Refusal): boolean => due.some((each) => Math.abs(at - each.at) <= TOGETHER_MS);
    const early = ofSession.filter((refusal) => isEarly(refusal) && !isTogether(refusal));
    return early.map(({ message = '', session }) => about(message, 'refused before its deadline', session));
  });
}

/** A stream that is out of reach refuses messages after half of the deadline. */
function wasUnkept(history: History, at: number): boolean {
  const causes = faultsWith(history, 'hides RabbitMQ', 'replaces a history');
  return causes.some((fault) => fault.at + PUBLISH_TIMEOUT_MS / 2 <= at && at <= noticedBy(history, fault));
}

function wasHidden(history: History, fromMs: number, toMs: number): boolean {
  const hidden = faultsWith(history, 'hides RabbitMQ');
  return hidden.some(({ at, untilMs }) => at <= toMs && fromMs <= untilMs + AFTERMATH_MS);
}

function blockedMs(history: History, fromMs: number, toMs: number): number {
  const overlap = (each: Trouble): number => Math.max(0, Math.min(toMs, each.toMs) - Math.max(fromMs, each.fromMs));
  const alarms = faultsWith(history, 'blocks publishers');
  return alarms.reduce((sum, each) => sum + overlap(each), 0);
}

/** A crowd is larger than the room, so some of its clients are turned away. */
function unanswered(history: History): Finding[] {
  const answers = history.of('crowded').map(({ answer }) => answer);
  const finding = (sentence: string): Finding => ({ sentence, messages: [], sessions: [] });
  if (answers.length > 0 && !answers.some((answer) => answer.startsWith('HTTP/1.1 503'))) {
    return [finding('no client was turned away')];
  }
  const strange = answers.filter((answer) => !/^HTTP\/1\.1 (101|503) /.test(answer));
  return strange.map((answer) => finding(`a client was answered "${answer}"`));
}
