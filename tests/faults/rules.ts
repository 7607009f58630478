/**
 * The guarantees of a relay under any fault. Each rule is a function from the history of a run to its violations.
 *
 * These are not guaranteed, and therefore not checked:
 * - Order across sessions: a reconnected client may overtake the messages of its previous session, perhaps at another
 *   relay.
 * - Order of redeliveries. The broker returns an unacknowledged message to its old place, but may already have given
 *   later messages to another subscriber: `redelivered:true` may be late. In a queue with several consumers the same is
 *   true of a second copy (`relay-resent:true`) whose first copy another consumer holds.
 * - Topics and users while a subscriber is away, or before the calm at the end of a run.
 */
import { grouped, isQueue, partsOf } from './history.js';
import type { Delivered, History, MessageName } from './history.js';

export interface Violation {
  readonly rule: string;
  readonly sentence: string;
  /** The report includes the events of these messages and sessions. */
  readonly messages: readonly MessageName[];
  readonly sessions: readonly string[];
}

type Finding = Omit<Violation, 'rule'>;
type Rule = (history: History) => Finding[];

/** Codes that a fault explains; a correct client must not get any other ERROR. */
const EXPECTED_CODES = new Set(['broker-unavailable', 'overloaded', 'heart-beat-timeout', 'shutting-down']);
/** The time after a fault in which it may still end a session: missed heart-beats reveal silence late. */
const AFTERMATH_MS = 6_000;

export const RULES: Readonly<Record<string, Rule>> = {
  'a confirmed message to a queue is delivered': lost,
  'only a marked message comes twice': unmarkedDuplicates,
  'order is kept': disorder,
  'a SEND with a receipt is answered once': wronglyAnswered,
  'every delivered message was sent to that destination': foreign,
  'after the faults every listener gets every message': missed,
  'an ERROR has a reason': unexpectedErrors,
  'the end of a session has a reason': dropped,
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
  const deliveries = history.of('delivered');
  const copies = grouped(deliveries, ({ message }) => message);
  const isFirstOf = new Set<string>();
  const inOrder = deliveries.filter((each) => {
    if (isQueue(each.destination)) return hasPlace(each, copies.get(each.message)?.length ?? 0);
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

/** Whether a message from a queue, delivered `copies` times in all, must be in its original order. */
function hasPlace({ redelivered, resent }: Delivered, copies: number): boolean {
  return !redelivered && (!resent || copies === 1);
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

function unexpectedErrors(history: History): Finding[] {
  return history
    .of('error')
    .filter(({ code }) => !EXPECTED_CODES.has(code))
    .map(({ session, code, message }) => ({
      sentence: `${session} got ERROR ${code}`,
      messages: message ? [message] : [],
      sessions: [session],
    }));
}

function dropped(history: History): Finding[] {
  const notified = new Set(history.of('error').flatMap(({ session, isSoft }) => (isSoft ? [] : [session])));
  const cuts = history.of('fault').filter(({ cuts }) => cuts);
  return history
    .of('closed')
    .filter(({ session, intended }) => !intended && !notified.has(session))
    .filter(({ at }) => !cuts.some((fault) => fault.at <= at && at <= fault.untilMs + AFTERMATH_MS))
    .map(({ session, code }) => ({
      sentence: `${session} was closed with ${code}, without an ERROR and without a fault that cuts connections`,
      messages: [],
      sessions: [session],
    }));
}
