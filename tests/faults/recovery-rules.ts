/**
 * The guarantees of recovery (docs/recovery.md) under any fault. The truth is the log of each history rule, as an
 * independent reader has read it.
 */
import { faultsWith, JUDGE_MS } from './error-reasons.js';
import type { Effect } from './faults.js';
import { grouped, partsOf } from './history.js';
import type { Delivered, EventOf, History, MessageName, Returned, ToldGap } from './history.js';
import { placeOf, readPosition } from './kept-log.js';
import type { KeptLog, Place } from './kept-log.js';
import type { Finding, Rule } from './rules.js';

/** A relay binds a stream again after this time at most. */
const UNBOUND_MS = 12_000;

export const RECOVERY_RULES: Readonly<Record<string, Rule>> = {
  'a return is exact': (history) => findingsOf(history, 'return'),
  'a hole is reported': (history) => findingsOf(history, 'hole'),
  'order is one for all': (history) => findingsOf(history, 'order'),
  "a log keeps its publishers' order": disorderedLogs,
  'a verdict is true': falseVerdicts,
  "the relay's count equals the client's": miscounts,
  'a confirmed message is kept': notKept,
};

type Step = Delivered | Returned | ToldGap;

interface WalkFinding extends Finding {
  readonly kind: 'return' | 'hole' | 'order';
}

function findingsOf(history: History, wanted: WalkFinding['kind']): Finding[] {
  const steps = history.events.filter((event): event is Step => isStep(event));
  const subscriptions = grouped(steps, (step) => `${step.session} ${subscriptionOf(step)}`);
  const findings = [...subscriptions.values()].flatMap((each) => new Walk(history, each).findings);
  return findings.filter(({ kind }) => kind === wanted);
}

function isStep(event: History['events'][number]): boolean {
  return event.kind === 'returned' || event.kind === 'gap' || (event.kind === 'delivered' && event.kept !== undefined);
}

function subscriptionOf(step: Step): string {
  return step.kind === 'delivered' ? (step.kept?.subscription ?? '') : step.subscription;
}

/** Goes through the events of one subscription, and compares them with the log. */
class Walk {
  readonly findings: WalkFinding[] = [];
  private readonly logs: readonly KeptLog[];
  private readonly about: Returned | undefined;
  /** The last entry that the client has, or knows that it has not. Undefined if it is not known. */
  private cursor: Place | undefined;
  private isReturning = false;

  constructor(
    private readonly history: History,
    steps: readonly Step[],
  ) {
    this.about = steps.find((step) => step.kind === 'returned');
    this.logs = history.logs.filter(({ rule }) => rule === this.about?.rule);
    for (const step of steps) this.take(step);
    if (steps.length > 0) this.checkEnd(steps[0]!.session);
  }

  private take(step: Step): void {
    if (step.kind === 'returned') return this.returned(step);
    if (step.kind === 'gap') return this.gap(step);
    this.delivered(step);
  }

  private returned({ since, position, recovered }: Returned): void {
    this.isReturning = recovered === true;
    const start = recovered === true ? since : position;
    this.cursor = start === undefined ? undefined : placeOf(this.logs, start);
  }

  private gap({ session, from, to }: ToldGap): void {
    const { cursor } = this;
    const start = placeOf(this.logs, from);
    if (cursor && start?.log === cursor.log) this.expectNothingBetween(cursor, start.offset + 1, session);
    this.cursor = placeOf(this.logs, to);
    this.isReturning = false;
  }

  private delivered({ session, message, kept }: Delivered): void {
    const { position, isReplayed, isAfterGap } = kept!;
    const { cursor } = this;
    const { offset } = readPosition(position);
    if (!isReplayed && this.isReturning && cursor) this.isReturning = false;
    const log = this.logs.find(({ entries }) => entries.get(offset)?.message === message);
    if (!log) {
      // The last entries of a stream that was deleted may not have been read
      const isUnread = this.logs.some(({ isDeleted, lastOffset }) => isDeleted && offset > lastOffset);
      if (!isUnread) this.find('order', message, `the log does not have it at ${position}`, session);
      this.cursor = undefined;
      return;
    }
    if (cursor && !isAfterGap) this.follow(cursor, { log, offset }, message, { session, isReplayed });
    this.cursor = { log, offset };
  }

  private follow(
    cursor: Place,
    { log, offset }: Place,
    message: MessageName,
    { session, isReplayed }: { readonly session: string; readonly isReplayed: boolean },
  ): void {
    if (log !== cursor.log) {
      const kind = isReplayed ? 'return' : 'hole';
      return this.find(kind, message, 'it is from another log, and no gap was reported', session);
    }
    if (offset <= cursor.offset) return this.find('order', message, 'it came again, or late', session);
    this.isReturning = isReplayed;
    this.expectNothingBetween(cursor, offset, session);
  }

  private expectNothingBetween({ log, offset }: Place, to: number, session: string): void {
    for (const message of log.between(offset, to, this.about?.destinations ?? [])) {
      this.find(this.isReturning ? 'return' : 'hole', message, `${session} did not get it`, session);
    }
  }

  /** A subscription that lives to the end gets everything that was sent in the calm. */
  private checkEnd(session: string): void {
    const { history, cursor } = this;
    const calm = history.of('calm').at(0)?.at ?? Infinity;
    const closed = history.of('closed').find((each) => each.session === session);
    const hasEnded = closed !== undefined && (closed.at < calm || !closed.intended);
    if (!cursor || hasEnded || cursor.log.isDeleted) return;
    const sent = new Set(history.of('sent').flatMap(({ at, message }) => (at >= calm ? [message] : [])));
    for (const message of cursor.log.between(cursor.offset, Infinity, this.about?.destinations ?? [])) {
      if (sent.has(message)) this.find('hole', message, `${session} did not get it after the faults`, session);
    }
  }

  private find(kind: WalkFinding['kind'], message: MessageName, sentence: string, session: string): void {
    const finding = { kind, sentence: `${message}: ${sentence}`, messages: [message], sessions: [session] };
    this.findings.push(finding);
  }
}

/**
 * A message that a relay had to send again may come once more, and late. It may also come late for the first time, if
 * RabbitMQ did not route the first copy to the stream.
 */
function disorderedLogs(history: History): Finding[] {
  const findings: Finding[] = [];
  const isLost = lossesOf(history);
  for (const { entries } of history.logs) {
    const latest = new Map<string, number>();
    const seen = new Set<MessageName>();
    for (const { message, isResent } of entries.values()) {
      if (message === undefined || seen.has(message) || (isResent && isLost(message))) continue;
      seen.add(message);
      const { session, destination, number } = partsOf(message);
      const stream = `${session} ${destination}`;
      if (number < (latest.get(stream) ?? 0)) {
        findings.push({ sentence: `${message} is behind a later one`, messages: [message], sessions: [] });
      }
      latest.set(stream, number);
    }
  }
  return findings;
}

function falseVerdicts(history: History): Finding[] {
  const rules = new Map(history.of('returned').map((each) => [`${each.session} ${each.subscription}`, each.rule]));
  const verdicts = history.of('returned').filter(({ recovered }) => recovered === false);
  const claims = [
    ...verdicts.map((each) => ({ ...each, from: each.since })),
    ...history.of('gap').map((each) => ({ ...each, rule: rules.get(`${each.session} ${each.subscription}`) })),
  ];
  return claims
    .filter((claim) => !isTrue(history, claim))
    .map(({ session, subscription, reason = '', from = '' }) => ({
      sentence: `${session} was given "${reason}" for ${subscription} at ${from}`,
      messages: [],
      sessions: [session],
    }));
}

interface Claim {
  readonly at: number;
  readonly rule: string | undefined;
  readonly from: string | undefined;
  readonly reason?: string | undefined;
}

function isTrue(history: History, { at, rule, from, reason = '' }: Claim): boolean {
  const logs = history.logs.filter((log) => log.rule === rule);
  const place = from === undefined ? undefined : placeOf(logs, from);
  switch (reason) {
    case 'other-history':
      return place ? place.log.isDeleted : hadFault(history, at, 'replaces a history');
    case 'too-old':
      if (!place || place.log.isDeleted) return hadFault(history, at, 'cuts a history', 'replaces a history');
      return readPosition(from ?? '').markerOffset < place.log.firstOffset;
    case 'ahead':
    case 'busy':
    case 'unavailable':
      return hadFault(history, at, 'hides RabbitMQ', 'replaces a history', 'blocks publishers', 'ends sessions');
    default:
      return false;
  }
}

/** Whether a fault with one of these effects has begun by then. For passing effects it must have been lately. */
function hadFault(history: History, at: number, ...by: readonly Effect[]): boolean {
  const isLate = ({ untilMs, effects }: EventOf<'fault'>): boolean =>
    at > untilMs + JUDGE_MS &&
    !effects.some((effect) => effect === 'cuts a history' || effect === 'replaces a history');
  return faultsWith(history, ...by).some((fault) => fault.at <= at && !isLate(fault));
}

function miscounts(history: History): Finding[] {
  return history
    .of('checked')
    .filter(({ delivered, received }) => delivered !== received)
    .map(({ session, subscription, delivered, received }) => ({
      sentence: `${session} got ${received} messages of ${subscription}, and the relay counted ${delivered}`,
      messages: [],
      sessions: [session],
    }));
}

/** Confirmed messages to destinations with a history. */
function notKept(history: History): Finding[] {
  const destinations = new Set(history.of('returned').flatMap((each) => each.destinations));
  const kept = new Set(history.logs.flatMap(({ entries }) => [...entries.values()].map(({ message }) => message)));
  const isLost = lossesOf(history);
  return history
    .of('confirmed')
    .filter(({ message }) => destinations.has(partsOf(message).destination) && !kept.has(message))
    .filter(({ message }) => !isLost(message))
    .map(({ message, session }) => ({
      sentence: `${message}: confirmed, and not in the log`,
      messages: [message],
      sessions: [session],
    }));
}

/** Whether a fault may have kept the message out of its log. */
function lossesOf(history: History): (message: MessageName) => boolean {
  const sentAt = new Map(history.of('sent').map(({ message, at }) => [message, at]));
  const answers = [...history.of('confirmed'), ...history.of('error')];
  const answeredAt = new Map(answers.map(({ message, at }) => [message, at]));
  const losses = faultsWith(history, 'unbinds a history', 'replaces a history');
  return (message) =>
    losses.some(
      ({ at, untilMs }) =>
        at <= (answeredAt.get(message) ?? Infinity) && (sentAt.get(message) ?? at) <= untilMs + UNBOUND_MS,
    );
}
