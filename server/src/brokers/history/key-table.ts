/**
 * Numbers for the keys in a ring, so that a replay filters hundreds of thousands of entries by reading typed arrays. The
 * number of a key is used again when no entry has the key any more: random keys of a client must not fill the memory.
 */
import { TopicTrie } from '../../destinations/topic-pattern.js';

/** Id 0 is that of entries that match no pattern. */
export const NO_KEY = 0;
const PATTERNS_MAX = 64;

/** The keys that a subscription gets. */
export interface KeyPattern {
  readonly pattern: string;
  /** A second spelling of a key without wildcards. */
  readonly alias?: string | undefined;
}

export interface KeyFilter {
  accepts(id: number): boolean;
}

export class KeyTable {
  private readonly ids = new Map<string, number>();
  private readonly keys: (string | undefined)[] = [undefined];
  private readonly uses: number[] = [0];
  private readonly free: number[] = [];
  /** The filters of recently used patterns with wildcards. */
  private readonly filters = new Map<string, PatternFilter>();

  get size(): number {
    return this.ids.size;
  }

  acquire(key: string): number {
    let id = this.ids.get(key);
    if (id === undefined) {
      id = this.free.pop() ?? this.keys.length;
      this.ids.set(key, id);
      this.keys[id] = key;
      this.uses[id] = 0;
    }
    this.uses[id]!++;
    return id;
  }

  release(id: number): void {
    if (id === NO_KEY || --this.uses[id]! > 0) return;
    this.ids.delete(this.keys[id]!);
    this.keys[id] = undefined;
    this.free.push(id);
    for (const filter of this.filters.values()) filter.forget(id);
  }

  /** The filter is valid until the next `acquire`. */
  filterFor({ pattern, alias }: KeyPattern): KeyFilter {
    if (!/(^|\.)[*#](\.|$)/.test(pattern)) return this.exactFilter(pattern, alias);
    let filter = this.filters.get(pattern);
    if (!filter) {
      if (this.filters.size >= PATTERNS_MAX) this.filters.delete(this.filters.keys().next().value!);
      filter = new PatternFilter(pattern, this.keys);
      this.filters.set(pattern, filter);
    }
    return filter;
  }

  private exactFilter(key: string, alias: string | undefined): KeyFilter {
    const id = this.ids.get(key);
    const aliasId = alias === undefined ? undefined : this.ids.get(alias);
    return { accepts: (other) => other === id || other === aliasId };
  }
}

const UNKNOWN = 0;
const YES = 1;
const NO = 2;

class PatternFilter implements KeyFilter {
  private verdicts = new Uint8Array(256);
  private readonly trie = new TopicTrie<true>();

  constructor(
    pattern: string,
    private readonly keys: readonly (string | undefined)[],
  ) {
    this.trie.set(pattern, true);
  }

  accepts(id: number): boolean {
    const verdict = this.verdicts[id];
    return verdict === YES || (verdict !== NO && this.decide(id));
  }

  forget(id: number): void {
    if (id < this.verdicts.length) this.verdicts[id] = UNKNOWN;
  }

  private decide(id: number): boolean {
    const key = this.keys[id];
    if (key === undefined) return false;
    if (id >= this.verdicts.length) {
      const larger = new Uint8Array(Math.max(id + 1, this.verdicts.length * 2));
      larger.set(this.verdicts);
      this.verdicts = larger;
    }
    const isMatch = this.trie.match(key).length > 0;
    this.verdicts[id] = isMatch ? YES : NO;
    return isMatch;
  }
}

/** Whether a pattern matches single keys, for messages that are not in a ring. */
export function matcherOf({ pattern, alias }: KeyPattern): (key: string) => boolean {
  const trie = new TopicTrie<true>();
  trie.set(pattern, true);
  if (alias !== undefined) trie.set(alias, true);
  return (key) => trie.match(key).length > 0;
}
