/** The rules of the configuration: the subscriptions that each covers, and the messages that its log gets. */
import { otherSpelling, parseDestination, userKey } from '../../destinations/destination.js';
import { checkPattern } from '../../destinations/key-limits.js';
import type { KeyLimits } from '../../destinations/key-limits.js';
import { covers, overlapsWords, wordsOf } from '../../destinations/topic-pattern.js';
import type { SharedDestination } from '../broker.js';
import type { HistoryRule } from '../history.js';
import { refusing } from '../message-checks.js';
import { keyOfUser } from '../queue-plan.js';
import type { KeyPattern } from './key-table.js';

/** A rule, read. */
export interface RulePlace {
  readonly rule: HistoryRule;
  /** The exchange behind `/topic`, or the one behind `/user`. */
  readonly kind: 'topic' | 'user';
  /** The patterns by which the log is bound to it. A message matches at most one of them. */
  readonly bindings: readonly string[];
  /** For a topic its pattern, for a user the name after `/user/queue/`. */
  readonly subject: string;
}

/** Throws a DestinationError, or an Error whose message is the rule that `match` breaks. */
export function placeOfRule(rule: HistoryRule): RulePlace {
  const destination = parseDestination(rule.match, 'subscribe');
  if (destination.kind === 'topic') {
    return { rule, kind: 'topic', bindings: [destination.key], subject: destination.key };
  }
  if (destination.kind !== 'user') {
    throw new Error(`"${rule.match}" has no history: it must begin with /topic/ or /user/queue/.`);
  }
  const { name } = destination;
  if (/[*#]/.test(name)) {
    throw new Error(`"${rule.match}" must name one queue of users, without "*" and "#".`);
  }
  // The queue's name is the first word, and the user's name has one word or more
  const key = userKey('', name);
  const bindings = [key, otherSpelling(key)].filter((each) => each !== undefined).map((each) => `${each}#`);
  return { rule, kind: 'user', bindings, subject: name };
}

/** Whether the rule's log gets everything that the subscription can get. */
export function coversDestination({ kind, subject }: RulePlace, destination: SharedDestination): boolean {
  if (destination.kind !== kind) return false;
  return destination.kind === 'user' ? destination.name === subject : covers(subject, destination.key);
}

/** Throws a BrokerError for a subscription that the broker would refuse. */
export function keyPatternOf(destination: SharedDestination, limits: KeyLimits): KeyPattern {
  const pattern = destination.kind === 'user' ? keyOfUser(destination) : destination.key;
  refusing('invalid-destination', () => checkPattern(pattern, limits));
  return { pattern, alias: destination.kind === 'user' ? otherSpelling(pattern) : undefined };
}

/** A sentence for each pair of rules that keep the same messages: they are stored twice. */
export function overlaps(places: readonly RulePlace[]): string[] {
  return places.flatMap((one, index) =>
    places
      .slice(index + 1)
      .filter((other) => haveCommonKey(one, other))
      .map(
        (other) =>
          `history.rules "${one.rule.name}" and "${other.rule.name}" overlap (${one.rule.match}, ${other.rule.match}): ` +
          'messages that match both are stored twice',
      ),
  );
}

function haveCommonKey(one: RulePlace, other: RulePlace): boolean {
  if (one.kind !== other.kind) return false;
  if (one.kind === 'user') return one.subject === other.subject;
  return overlapsWords(wordsOf(one.subject), wordsOf(other.subject));
}
