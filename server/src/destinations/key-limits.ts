/**
 * Bounds the cost of matching a routing key or a topic pattern. RabbitMQ matches a key on the channel that published
 * it. For each `#` of each pattern it tries all positions in the key, so the work grows with the words of both, and
 * polynomially with more than one `#`.
 */
import { DestinationError } from './destination.js';
import type { Destination } from './destination.js';
import { wordsOf } from './topic-pattern.js';

/** Defaults are in `config.ts`, section `topics`. */
export interface KeyLimits {
  /** Maximum number of words, separated by dots, in a routing key or pattern. */
  readonly keyWordsMax: number;
  /** Maximum number of `#` in one pattern. */
  readonly patternHashesMax: number;
}

/** Checks the key of a message, or the name of a queue, which is the key of its dead letters. */
export function checkKey(key: string, limits: KeyLimits): void {
  const { keyWordsMax } = limits;
  const count = countWords(key);
  if (count <= keyWordsMax) return;
  throw new DestinationError(
    `"${key.slice(0, 60)}..." has ${count} words between its dots: a routing key, a pattern and the name of a queue ` +
      `must have at most topics.keyWordsMax (${keyWordsMax}).`,
  );
}

/** Allocates nothing, because it runs for each SEND. */
function countWords(key: string): number {
  let count = 1;
  for (let dot = key.indexOf('.'); dot !== -1; dot = key.indexOf('.', dot + 1)) count++;
  return count;
}

/** Checks the pattern of a subscription. */
export function checkPattern(pattern: string, limits: KeyLimits): void {
  checkKey(pattern, limits);
  const { patternHashesMax } = limits;
  if (!pattern.includes('#')) return;
  const count = wordsOf(pattern).filter((word) => word === '#').length;
  if (count <= patternHashesMax) return;
  throw new DestinationError(
    `"${pattern.slice(0, 60)}" has ${count} words "#", and at most topics.patternHashesMax (${patternHashesMax}) are ` +
      'allowed, because RabbitMQ is slow to match more. Use "*" for a single word, or ask the operator to raise the option.',
  );
}

/** True if the destination of a subscription contains wildcards. */
export function isPattern(destination: Destination): boolean {
  return (destination.kind === 'topic' || destination.kind === 'exchange') && WILDCARD.test(destination.key);
}

const WILDCARD = /(^|\.)[*#](\.|$)/;
