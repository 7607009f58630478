/** User names: suggestions, and the allowed pattern. */

const ADJECTIVES = 'brave calm clever gentle happy keen merry nimble quiet swift wise witty'.split(' ');
const ANIMALS = 'badger beaver crane dolphin fox hare heron lynx marten otter owl seal'.split(' ');

/**
 * The pattern of a name in the chat, for an input's `pattern`. It excludes spaces, which end the name in `@name text`.
 */
export const NAME_PATTERN = '[\\p{L}\\p{N}._\\-]{1,30}';

/** Such as `quiet-otter-42`. */
export function suggestName(): string {
  return `${oneOf(ADJECTIVES)}-${oneOf(ANIMALS)}-${Math.floor(10 + Math.random() * 90)}`;
}

function oneOf(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] as string;
}
