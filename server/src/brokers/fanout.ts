/**
 * Who listens here to what: the local end of shared subscriptions, used by both brokers. A broker delivers a message once,
 * whatever the number of local listeners; this hands it to each of those whose pattern matches.
 *
 * It is on the hot path: a message with one key allocates nothing here but what the trie's first look at a new key needs.
 */
import { TopicTrie } from '../destinations/topic-pattern.js';
import type { BrokerError, Listener, RoutedMessage } from './broker.js';

interface Entry {
  /** Absent once removed: a delivery that is under way passes over it. */
  listener: Listener | undefined;
  readonly ended: Ended | undefined;
}

/** The subscription is over, against our will. */
export type Ended = (error: BrokerError) => void;

/** Listeners that all get the same messages. They may come and go during a delivery. */
export class Listeners {
  #entries: Entry[] = [];
  #removed = 0;

  get size(): number {
    return this.#entries.length - this.#removed;
  }

  /** Returns the function that removes it again; calling that twice does no harm. */
  add(listener: Listener, ended?: Ended): () => void {
    const entry: Entry = { listener, ended };
    this.#entries.push(entry);
    return () => this.#remove(entry);
  }

  /** Who joins during a delivery gets the next one. */
  deliver(message: RoutedMessage, key: string): void {
    const entries = this.#entries;
    for (let i = 0, end = entries.length; i < end; i++) entries[i]!.listener?.(message, key);
  }

  end(error: BrokerError): void {
    for (const { listener, ended } of [...this.#entries]) if (listener) ended?.(error);
  }

  /** Makes a new list when half of the old one is gone; a delivery goes on with the one that it began with. */
  #remove(entry: Entry): void {
    if (!entry.listener) return;
    entry.listener = undefined;
    this.#removed++;
    if (this.#removed * 2 < this.#entries.length) return;
    this.#entries = this.#entries.filter((other) => other.listener);
    this.#removed = 0;
  }
}

/** Told when a pattern gets its first and loses its last listener. */
export interface FanoutEvents {
  first?(pattern: string): void;
  last?(pattern: string): void;
}

/** How keys are compared: as topic patterns, or by being the same. */
export type Matching = 'topic' | 'exact';

export class Fanout {
  readonly #byPattern = new Map<string, Listeners>();
  readonly #trie: TopicTrie<Listeners> | undefined;

  constructor(
    matching: Matching,
    private readonly events: FanoutEvents = {},
  ) {
    this.#trie = matching === 'topic' ? new TopicTrie() : undefined;
  }

  /** Returns the function that removes the listener again. */
  add(pattern: string, listener: Listener, ended?: Ended): () => void {
    const known = this.#byPattern.get(pattern);
    const listeners = known ?? new Listeners();
    const remove = listeners.add(listener, ended);
    if (!known) {
      this.#byPattern.set(pattern, listeners);
      this.#trie?.set(pattern, listeners);
      this.events.first?.(pattern);
    }
    return () => {
      if (listeners.size === 0) return;
      remove();
      if (listeners.size === 0) this.#forget(pattern);
    };
  }

  #forget(pattern: string): void {
    this.#byPattern.delete(pattern);
    this.#trie?.delete(pattern);
    this.events.last?.(pattern);
  }

  /** For all who listen to exactly this pattern. */
  end(pattern: string, error: BrokerError): void {
    this.#byPattern.get(pattern)?.end(error);
  }

  count(pattern: string): number {
    return this.#byPattern.get(pattern)?.size ?? 0;
  }

  /** All patterns in use, those with most listeners first. */
  patterns(): string[] {
    return [...this.#byPattern].sort(([, a], [, b]) => b.size - a.size).map(([pattern]) => pattern);
  }

  /**
   * Hands the message to each listener that matches, once, with the first of its keys that did. `copyKeys` are those of
   * the CC header. Returns whether anybody was there to take it.
   */
  deliver(message: RoutedMessage, key: string, copyKeys?: readonly string[]): boolean {
    if (copyKeys && copyKeys.length > 0) return this.#deliverCopies(message, [key, ...copyKeys]);
    if (!this.#trie) {
      const listeners = this.#byPattern.get(key);
      listeners?.deliver(message, key);
      return listeners !== undefined;
    }
    const matching = this.#trie.match(key);
    for (let i = 0; i < matching.length; i++) matching[i]!.deliver(message, key);
    return matching.length > 0;
  }

  #deliverCopies(message: RoutedMessage, keys: readonly string[]): boolean {
    const keyOf = new Map<Listeners, string>();
    for (const key of keys) {
      const exact = this.#byPattern.get(key);
      for (const listeners of this.#trie?.match(key) ?? (exact ? [exact] : [])) {
        if (!keyOf.has(listeners)) keyOf.set(listeners, key);
      }
    }
    for (const [listeners, key] of keyOf) listeners.deliver(message, key);
    return keyOf.size > 0;
  }
}
