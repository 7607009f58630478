/**
 * AMQP topic patterns: words between dots, `*` for one word, `#` for any number of them, also none. What stands before a
 * pattern's first `#` is a path in a trie, and a key is matched by walking all its branches at once, word by word; a node is
 * reached at one depth only, so a walk costs its nodes at most. What stands behind that `#` hangs on the node as a tail and
 * is compared with the rest of the key by itself: the words before the next `#` are looked for from the left, the last ones
 * at the end, and nothing is tried twice. Clients choose patterns and keys, so the worst of both together must be cheap.
 *
 * As in RabbitMQ the empty key has no words (`#` matches it, `*` does not), and `a.` has two, the second one empty.
 */
interface Node<T> {
  readonly words: Map<string, Node<T>>;
  /** What may follow a `#` here, by the whole pattern. Absent where no pattern has one. */
  tails: Map<string, Tail<T>> | undefined;
  /** The value of the pattern that ends here. */
  value: T | undefined;
}

/** A pattern from its first `#` on. */
interface Tail<T> {
  /** The runs of words between one `#` and the next; the first follows a `#`, and the last ends the pattern. */
  readonly runs: readonly (readonly string[])[];
  value: T;
}

/** Results that are remembered. Topics repeat, and a client's random keys must not fill the memory. */
const CACHED_KEYS = 1_000;

/** A map from patterns to values, looked up by what the patterns match. */
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
 * Whether every key that `inner` matches is matched by `outer`. Where only the lengths of all keys together would show it
 * (`*.#` and `#.*`) the answer is no.
 */
export function covers(outer: string, inner: string): boolean {
  return coversWords(wordsOf(outer), wordsOf(inner), 'pattern');
}

/** The same of words. Those of a key are themselves, also `*` and `#`. Steps: at most the words of one times the other's. */
export function coversWords(wide: readonly string[], narrow: readonly string[], narrowIs: 'pattern' | 'key'): boolean {
  const isKey = narrowIs === 'key';
  let at = 0;
  /** The last `#` seen, and up to where it reaches: when what follows does not fit, it reaches one word further. */
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

/** Whether there is a key that both patterns match. Steps: the words of one times the other's. */
export function overlapsWords(one: readonly string[], other: readonly string[]): boolean {
  /** For each beginning of `other`, 1 where it has a key in common with the words of `one` seen so far. */
  const common = new Uint8Array(other.length + 1);
  common[0] = 1;
  for (let j = 0; j < other.length && other[j] === '#'; j++) common[j + 1] = 1;
  for (const word of one) {
    let before = common[0];
    if (word !== '#') common[0] = 0;
    for (let j = 0; j < other.length; j++) {
      const above = common[j + 1]!;
      const opposite = other[j]!;
      // A `#` stands for nothing, or takes what is opposite
      if (word === '#' || opposite === '#') common[j + 1] = common[j]! | above;
      else common[j + 1] = before === 1 && (word === '*' || opposite === '*' || word === opposite) ? 1 : 0;
      before = above;
    }
  }
  return common[other.length] === 1;
}

/** Whether the words from `start` on can be read as: anything, the first run, anything, the second run, and so on. */
function tailMatches(runs: readonly (readonly string[])[], words: readonly string[], start: number): boolean {
  const last = runs.length - 1;
  const end = words.length - runs[last]!.length;
  let at = start;
  for (let i = 0; i < last; i++) {
    const run = runs[i]!;
    // The first place where it fits leaves most room for the rest
    while (at + run.length <= end && !runMatches(run, words, at)) at++;
    at += run.length;
  }
  return at <= end && runMatches(runs[last]!, words, end);
}

function runMatches(run: readonly string[], words: readonly string[], at: number): boolean {
  for (let i = 0; i < run.length; i++) if (run[i] !== '*' && run[i] !== words[at + i]) return false;
  return true;
}

/** The words before the first `#`, and those behind it; no tail where there is no `#`. */
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
