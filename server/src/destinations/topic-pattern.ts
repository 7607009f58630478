/**
 * AMQP topic patterns: words between dots, `*` for one word, `#` for any number of them, also none. The patterns form a
 * trie, and a key is matched by walking all its branches at once, word by word, as one set of nodes. A node joins the set
 * at most once for each word, so patterns such as `#.#.#.a` cost (nodes * words) at worst and are found once.
 *
 * As in RabbitMQ the empty key has no words (`#` matches it, `*` does not), and `a.` has two, the second one empty.
 */
interface Node<T> {
  readonly words: Map<string, Node<T>>;
  readonly isHash: boolean;
  hash: Node<T> | undefined;
  /** The value of the pattern that ends here. */
  value: T | undefined;
  /** The last step of a walk that this node took part in. */
  step: number;
}

/** Results that are remembered. Topics repeat, and a client's random keys must not fill the memory. */
const CACHED_KEYS = 1_000;

/** A map from patterns to values, looked up by what the patterns match. */
export class TopicTrie<T> {
  readonly #root = makeNode<T>(false);
  readonly #cache = new Map<string, readonly T[]>();
  #step = 0;

  get(pattern: string): T | undefined {
    let node: Node<T> | undefined = this.#root;
    for (const word of wordsOf(pattern)) node = node && child(node, word);
    return node?.value;
  }

  set(pattern: string, value: T): void {
    let node = this.#root;
    for (const word of wordsOf(pattern)) node = child(node, word) ?? addChild(node, word);
    node.value = value;
    this.#cache.clear();
  }

  delete(pattern: string): void {
    const words = wordsOf(pattern);
    const path = [this.#root];
    for (const word of words) {
      const next = child(path.at(-1)!, word);
      if (!next) return;
      path.push(next);
    }
    path.at(-1)!.value = undefined;
    for (let depth = words.length; depth > 0 && isEmpty(path[depth]!); depth--) {
      removeChild(path[depth - 1]!, words[depth - 1]!);
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

  #walk(words: string[]): T[] {
    let nodes: Node<T>[] = [];
    this.#step++;
    this.#join(nodes, this.#root);
    for (const word of words) {
      const next: Node<T>[] = [];
      this.#step++;
      for (const node of nodes) {
        if (node.isHash) this.#join(next, node);
        this.#join(next, node.words.get(word));
        this.#join(next, node.words.get('*'));
      }
      nodes = next;
    }
    return nodes.map((node) => node.value).filter((value) => value !== undefined);
  }

  /** A node brings its `#` along, which may stand for no word at all. */
  #join(nodes: Node<T>[], node: Node<T> | undefined): void {
    while (node && node.step !== this.#step) {
      node.step = this.#step;
      nodes.push(node);
      node = node.hash;
    }
  }
}

export function matches(pattern: string, key: string): boolean {
  const trie = new TopicTrie<true>();
  trie.set(pattern, true);
  return trie.match(key).length > 0;
}

function wordsOf(text: string): string[] {
  return text === '' ? [] : text.split('.');
}

function makeNode<T>(isHash: boolean): Node<T> {
  return { words: new Map(), isHash, hash: undefined, value: undefined, step: 0 };
}

function child<T>(node: Node<T>, word: string): Node<T> | undefined {
  return word === '#' ? node.hash : node.words.get(word);
}

function addChild<T>(node: Node<T>, word: string): Node<T> {
  const added = makeNode<T>(word === '#');
  if (word === '#') node.hash = added;
  else node.words.set(word, added);
  return added;
}

function removeChild<T>(node: Node<T>, word: string): void {
  if (word === '#') node.hash = undefined;
  else node.words.delete(word);
}

function isEmpty<T>(node: Node<T>): boolean {
  return node.value === undefined && node.words.size === 0 && node.hash === undefined;
}
