/**
 * How much a routing key or a topic pattern may cost to match. RabbitMQ matches a key on the channel that brought it: for
 * each `#` of each pattern it tries all places in the key, so its work grows with the words of both and, beyond one `#`, with
 * their power.
 */
import { DestinationError, type Destination } from './destination.js';
import { wordsOf } from './topic-pattern.js';

/** Defaults are in `config.ts`, section `topics`. */
export interface KeyLimits {
  /** Words, between dots, of a routing key or pattern. */
  readonly keyWordsMax: number;
  /** `#` in one pattern. */
  readonly patternHashesMax: number;
}

/** A key that is published with, or may be: also the name of a queue, which is the key of its dead letters. */
export function checkKey(key: string, limits: KeyLimits): void {
  const { keyWordsMax } = limits;
  const count = countWords(key);
  if (count <= keyWordsMax) return;
  throw new DestinationError(
    `"${key.slice(0, 60)}..." has ${count} words between its dots: a routing key, a pattern and the name of a queue ` +
      `have at most topics.keyWordsMax (${keyWordsMax}).`,
  );
}

/** Allocates nothing: each SEND is looked at. */
function countWords(key: string): number {
  let count = 1;
  for (let dot = key.indexOf('.'); dot !== -1; dot = key.indexOf('.', dot + 1)) count++;
  return count;
}

/** What a subscription binds. */
export function checkPattern(pattern: string, limits: KeyLimits): void {
  checkKey(pattern, limits);
  const { patternHashesMax } = limits;
  if (!pattern.includes('#')) return;
  const count = wordsOf(pattern).filter((word) => word === '#').length;
  if (count <= patternHashesMax) return;
  throw new DestinationError(
    `"${pattern.slice(0, 60)}" has ${count} words "#", and at most topics.patternHashesMax (${patternHashesMax}) are ` +
      'taken, as RabbitMQ is slow to match more. Use "*" for a single word, or have the operator raise the option.',
  );
}

/** Whether a subscription to it has to be looked for with wildcards. */
export function isPattern(destination: Destination): boolean {
  return (destination.kind === 'topic' || destination.kind === 'exchange') && WILDCARD.test(destination.key);
}

const WILDCARD = /(^|\.)[*#](\.|$)/;
