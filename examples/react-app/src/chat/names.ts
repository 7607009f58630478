/** Names of users: what is suggested, and what is allowed. */

const HOWS = 'brave calm clever gentle happy keen merry nimble quiet swift wise witty'.split(' ');
const ANIMALS = 'badger beaver crane dolphin fox hare heron lynx marten otter owl seal'.split(' ');

/** What a name in the chat may be: without spaces, so that `@name text` has an end. For an input's `pattern`. */
export const NAME_PATTERN = '[\\p{L}\\p{N}._\\-]{1,30}';

/** Such as `quiet-otter-42`. */
export function suggestName(): string {
  return `${oneOf(HOWS)}-${oneOf(ANIMALS)}-${Math.floor(10 + Math.random() * 90)}`;
}

function oneOf(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] as string;
}
