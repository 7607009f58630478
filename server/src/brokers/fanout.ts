/**
 * The local end of shared subscriptions, for both brokers. A broker delivers a message once, whatever the number of
 * local listeners; this file passes it to each listener whose pattern matches.
 *
 * This is on the hot path: a message with one key allocates nothing here, except when the trie sees a key first.
 */
import { TopicTrie } from '../destinations/topic-pattern.js';
import type { BrokerError, Listener, RoutedMessage } from './broker.js';

interface Entry {
  /** Absent after removal: a delivery in progress skips it. */
  listener: Listener | undefined;
  /** Absent once it has been called. */
  ended: Ended | undefined;
}

/** Called when the broker has ended the subscription. */
export type Ended = (error: BrokerError) => void;

/** Listeners that all get the same messages. They may be added and removed during a delivery. */
export class Listeners {
  #entries: Entry[] = [];
  #removed = 0;

  get size(): number {
    return this.#entries.length - this.#removed;
  }

  /** Returns the function that removes it; calling that twice does no harm. */
  add(listener: Listener, ended?: Ended): () => void {
    const entry: Entry = { listener, ended };
    this.#entries.push(entry);
    return () => this.#remove(entry);
  }

  /** A listener that joins during a delivery gets the next message. */
  deliver(message: RoutedMessage, key: string): void {
    const entries = this.#entries;
    for (let i = 0, end = entries.length; i < end; i++) entries[i]!.listener?.(message, key);
  }

  end(error: BrokerError): void {
    for (const entry of [...this.#entries]) {
      const { listener, ended } = entry;
      entry.ended = undefined;
      if (listener) ended?.(error);
    }
  }

  /**
   * Creates a new list when half of the old one is removed; a delivery in progress keeps the list that it started with.
   */
  #remove(entry: Entry): void {
    if (!entry.listener) return;
    entry.listener = undefined;
    this.#removed++;
    if (this.#removed * 2 < this.#entries.length) return;
    this.#entries = this.#entries.filter((other) => other.listener);
    this.#removed = 0;
  }
}

/** Called when a pattern gets its first listener and when it loses its last. */
export interface FanoutEvents {
  first?(pattern: string): void;
  last?(pattern: string): void;
}

/** Keys match as topic patterns, or only if they are equal. */
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

  /** `alias` is a second spelling of the pattern. Returns the function that removes the listener. */
  add(pattern: string, listener: Listener, ended?: Ended, alias?: string): () => void {
    const known = this.#byPattern.get(pattern);
    const listeners = known ?? new Listeners();
    const remove = listeners.add(listener, ended);
    if (!known) {
      this.#remember(pattern, listeners);
      if (alias !== undefined) this.#remember(alias, listeners);
    }
    return () => {
      if (listeners.size === 0) return;
      remove();
      if (listeners.size > 0) return;
      this.#forget(pattern);
      if (alias !== undefined) this.#forget(alias);
    };
  }

  #remember(pattern: string, listeners: Listeners): void {
    this.#byPattern.set(pattern, listeners);
    this.#trie?.set(pattern, listeners);
    this.events.first?.(pattern);
  }

  #forget(pattern: string): void {
    this.#byPattern.delete(pattern);
    this.#trie?.delete(pattern);
    this.events.last?.(pattern);
  }

  /** Ends the listeners of exactly this pattern. */
  end(pattern: string, error: BrokerError): void {
    this.#byPattern.get(pattern)?.end(error);
  }

  count(pattern: string): number {
    return this.#byPattern.get(pattern)?.size ?? 0;
  }

  /** All patterns in use, sorted by the number of listeners, highest first. */
  patterns(): string[] {
    return [...this.#byPattern].sort(([, a], [, b]) => b.size - a.size).map(([pattern]) => pattern);
  }

  /**
   * Passes the message once to each listener that matches, with the first of its keys that matched. `copyKeys` are
   * those of the CC header. Returns whether any listener received it.
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
