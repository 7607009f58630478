/**
 * AMQP topic patterns: words separated by dots, `*` for one word, `#` for any number of words, including none. The
 * words before a pattern's first `#` are a path in a trie. A key is matched by walking all branches at once, word by
 * word; a node is reached at one depth only, so a walk costs at most the number of nodes. The words after the first `#`
 * are a tail of the node, which is compared with the rest of the key. Each run of words before the next `#` is searched
 * from the left, the last run is compared with the end of the key, and no position is tried twice. Clients choose
 * patterns and keys, so the worst combination of both must be cheap.
 *
 * As in RabbitMQ the empty key has no words (`#` matches it, `*` does not), and `a.` has two, the second one empty.
 */
interface Node<T> {
  readonly words: Map<string, Node<T>>;
  /** The tails after a `#` at this node, by pattern. Undefined if no pattern has a `#` here. */
  tails: Map<string, Tail<T>> | undefined;
  /** The value of the pattern that ends here. */
  value: T | undefined;
}

/** The part of a pattern after its first `#`. */
interface Tail<T> {
  /** The runs of words between successive `#`. The last run ends the pattern. */
  readonly runs: readonly (readonly string[])[];
  value: T;
}

/** Size of the cache of results. Topics repeat, but random keys of a client must not fill the memory. */
const CACHED_KEYS = 1_000;

/** A map from patterns to values. A lookup by key returns the values of all matching patterns. */
export class TopicTrie<T> {
  readonly #root = makeNode<T>();
  readonly #cache = new Map<string, readonly T[]>();

  get(pattern: string): T | undefined {
    const { path, tail } = cut(pattern);
    let node: Node<T> | undefined = this.#root;
    for (const word of path) node = node?.words.get(word);
    return tail === undefined ? node?.value : node?.tails?.get(pattern)?.value;
  }

  set(pattern: string, value: T): void {
    const { path, tail } = cut(pattern);
    let node = this.#root;
    for (const word of path) node = node.words.get(word) ?? addChild(node, word);
    if (tail === undefined) node.value = value;
    else (node.tails ??= new Map()).set(pattern, { runs: runsOf(tail), value });
    this.#cache.clear();
  }

  delete(pattern: string): void {
    const { path, tail } = cut(pattern);
    const nodes = [this.#root];
    for (const word of path) {
      const next = nodes.at(-1)!.words.get(word);
      if (!next) return;
      nodes.push(next);
    }
    const last = nodes.at(-1)!;
    if (tail === undefined) last.value = undefined;
    else if (last.tails?.delete(pattern) && last.tails.size === 0) last.tails = undefined;
    for (let depth = path.length; depth > 0 && isEmpty(nodes[depth]!); depth--) {
      nodes[depth - 1]!.words.delete(path[depth - 1]!);
    }
    this.#cache.clear();
  }

  /** The values of all patterns that match, each once, in no particular order. */
  match(key: string): readonly T[] {
    let found = this.#cache.get(key);
    if (!found) {
      found = this.#walk(wordsOf(key));
      if (this.#cache.size >= CACHED_KEYS) this.#cache.clear();
      this.#cache.set(key, found);
    }
    return found;
  }

  #walk(words: readonly string[]): T[] {
    const found: T[] = [];
    let nodes = [this.#root];
    for (let depth = 0; nodes.length > 0; depth++) {
      const word = words[depth];
      const next: Node<T>[] = [];
      for (const node of nodes) {
        for (const tail of node.tails?.values() ?? []) if (tailMatches(tail.runs, words, depth)) found.push(tail.value);
        if (word === undefined) {
          if (node.value !== undefined) found.push(node.value);
          continue;
        }
        join(next, node.words.get(word));
        if (word !== '*') join(next, node.words.get('*'));
      }
      nodes = next;
    }
    return found;
  }
}

export function matches(pattern: string, key: string): boolean {
  const trie = new TopicTrie<true>();
  trie.set(pattern, true);
  return trie.match(key).length > 0;
}

/**
 * True if `outer` matches every key that `inner` matches. False in cases that would need a proof over the lengths of
 * keys (`*.#` and `#.*`).
 */
export function covers(outer: string, inner: string): boolean {
  return coversWords(wordsOf(outer), wordsOf(inner), 'pattern');
}

/**
 * `covers` for words. In a key `*` and `#` are ordinary words. The number of steps is at most the product of the
 * numbers of words.
 */
export function coversWords(wide: readonly string[], narrow: readonly string[], narrowIs: 'pattern' | 'key'): boolean {
  const isKey = narrowIs === 'key';
  let at = 0;
  /** The last `#` so far, and the end of the words that it covers. After a mismatch it covers one word more. */
  let hash = -1;
  let reach = 0;
  for (let i = 0; i < narrow.length;) {
    if (wide[at] === '#') {
      hash = at++;
      reach = i;
    } else if (at < wide.length && (wide[at] === narrow[i] || (wide[at] === '*' && (isKey || narrow[i] !== '#')))) {
      at++;
      i++;
    } else if (hash >= 0) {
      at = hash + 1;
      i = ++reach;
    } else {
      return false;
    }
  }
  while (wide[at] === '#') at++;
  return at === wide.length;
}

/** True if both patterns match a common key. The number of steps is the product of the numbers of words. */
export function overlapsWords(one: readonly string[], other: readonly string[]): boolean {
  /** For each prefix of `other`: 1 if it has a key in common with the processed words of `one`. */
  const common = new Uint8Array(other.length + 1);
  common[0] = 1;
  for (let j = 0; j < other.length && other[j] === '#'; j++) common[j + 1] = 1;
  for (const word of one) {
    let before = common[0];
    if (word !== '#') common[0] = 0;
    for (let j = 0; j < other.length; j++) {
      const above = common[j + 1]!;
      const opposite = other[j]!;
      // A `#` matches no word, or also the opposite word.
      if (word === '#' || opposite === '#') common[j + 1] = common[j]! | above;
      else common[j + 1] = before === 1 && (word === '*' || opposite === '*' || word === opposite) ? 1 : 0;
      before = above;
    }
  }
  return common[other.length] === 1;
}

/** True if the words from `start` on are: any words, the first run, any words, the second run, and so on. */
function tailMatches(runs: readonly (readonly string[])[], words: readonly string[], start: number): boolean {
  const last = runs.length - 1;
  const end = words.length - runs[last]!.length;
  let at = start;
  for (let i = 0; i < last; i++) {
    const run = runs[i]!;
    // The leftmost match leaves the most room for the other runs.
    while (at + run.length <= end && !runMatches(run, words, at)) at++;
    at += run.length;
  }
  return at <= end && runMatches(runs[last]!, words, end);
}

function runMatches(run: readonly string[], words: readonly string[], at: number): boolean {
  for (let i = 0; i < run.length; i++) if (run[i] !== '*' && run[i] !== words[at + i]) return false;
  return true;
}

/** Splits a pattern at its first `#`. Without a `#` there is no tail. */
function cut(pattern: string): { readonly path: readonly string[]; readonly tail: readonly string[] | undefined } {
  const words = wordsOf(pattern);
  const hash = words.indexOf('#');
  return hash === -1 ? { path: words, tail: undefined } : { path: words.slice(0, hash), tail: words.slice(hash + 1) };
}

function runsOf(tail: readonly string[]): string[][] {
  const runs: string[][] = [[]];
  for (const word of tail) {
    if (word === '#') runs.push([]);
    else runs.at(-1)!.push(word);
  }
  return runs;
}

export function wordsOf(text: string): string[] {
  return text === '' ? [] : text.split('.');
}

function makeNode<T>(): Node<T> {
  return { words: new Map(), tails: undefined, value: undefined };
}

function addChild<T>(node: Node<T>, word: string): Node<T> {
  const added = makeNode<T>();
  node.words.set(word, added);
  return added;
}

function join<T>(nodes: Node<T>[], node: Node<T> | undefined): void {
  if (node) nodes.push(node);
}

function isEmpty<T>(node: Node<T>): boolean {
  return node.value === undefined && node.words.size === 0 && node.tails === undefined;
}
