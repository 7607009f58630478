/**
 * The bindings of an exchange, with one kind of table for each type of exchange. A binding is a key with arguments and
 * has one value. `match` allocates nothing for a recently seen key, except on headers exchanges.
 */
import { argumentsText } from '../../destinations/binding-arguments.js';
import type { BindingArguments } from '../../destinations/binding-arguments.js';
import { TopicTrie } from '../../destinations/topic-pattern.js';
import type { ExchangeType } from './memory-options.js';

type Headers = ReadonlyMap<string, string>;

export interface RoutingTable<T> {
  get(key: string, bindingArguments: BindingArguments): T | undefined;
  set(key: string, bindingArguments: BindingArguments, value: T): void;
  delete(key: string, bindingArguments: BindingArguments): void;
  /** The values of all bindings that match a message, each once. */
  match(key: string, headers: Headers): readonly T[];
}

export function makeRoutingTable<T>(type: ExchangeType): RoutingTable<T> {
  switch (type) {
    case 'topic':
      return new TopicTable();
    case 'direct':
      return new DirectTable();
    case 'fanout':
      return new FanoutTable();
    case 'headers':
      return new HeadersTable();
  }
}

class TopicTable<T> implements RoutingTable<T> {
  private readonly trie = new TopicTrie<T>();

  get(key: string): T | undefined {
    return this.trie.get(key);
  }

  set(key: string, _: BindingArguments, value: T): void {
    this.trie.set(key, value);
  }

  delete(key: string): void {
    this.trie.delete(key);
  }

  match(key: string): readonly T[] {
    return this.trie.match(key);
  }
}

const NOTHING: readonly never[] = [];

class DirectTable<T> implements RoutingTable<T> {
  private readonly byKey = new Map<string, readonly [T]>();

  get(key: string): T | undefined {
    return this.byKey.get(key)?.[0];
  }

  set(key: string, _: BindingArguments, value: T): void {
    this.byKey.set(key, [value]);
  }

  delete(key: string): void {
    this.byKey.delete(key);
  }

  match(key: string): readonly T[] {
    return this.byKey.get(key) ?? NOTHING;
  }
}

/** Keys only distinguish the bindings; every message matches all of them. */
class FanoutTable<T> implements RoutingTable<T> {
  private readonly byKey = new Map<string, T>();
  /** Made by the next match, because thousands of bindings may end at once. */
  private all: readonly T[] | undefined;

  get(key: string): T | undefined {
    return this.byKey.get(key);
  }

  set(key: string, _: BindingArguments, value: T): void {
    this.byKey.set(key, value);
    this.all = undefined;
  }

  delete(key: string): void {
    this.byKey.delete(key);
    this.all = undefined;
  }

  match(): readonly T[] {
    return (this.all ??= [...this.byKey.values()]);
  }
}

class HeadersTable<T> implements RoutingTable<T> {
  private readonly byIdentity = new Map<
    string,
    { readonly matches: (headers: Headers) => boolean; readonly value: T }
  >();

  get(key: string, bindingArguments: BindingArguments): T | undefined {
    return this.byIdentity.get(identity(key, bindingArguments))?.value;
  }

  set(key: string, bindingArguments: BindingArguments, value: T): void {
    this.byIdentity.set(identity(key, bindingArguments), { matches: headerMatcher(bindingArguments), value });
  }

  delete(key: string, bindingArguments: BindingArguments): void {
    this.byIdentity.delete(identity(key, bindingArguments));
  }

  match(_: string, headers: Headers): readonly T[] {
    const found: T[] = [];
    for (const { matches, value } of this.byIdentity.values()) if (matches(headers)) found.push(value);
    return found;
  }
}

function identity(key: string, bindingArguments: BindingArguments): string {
  return JSON.stringify([key, argumentsText(bindingArguments)]);
}

/**
 * As in RabbitMQ: without `x-match` all headers must match, and names with "x-" only count for the `-with-x` forms. The
 * headers of STOMP are text, so a typed argument equals none of them.
 */
function headerMatcher({ 'x-match': match = 'all', ...required }: BindingArguments): (headers: Headers) => boolean {
  const withX = match === 'all-with-x' || match === 'any-with-x';
  const entries = Object.entries(required).filter(([name]) => withX || !name.startsWith('x-'));
  const isMet = (headers: Headers, [name, value]: (typeof entries)[number]) => headers.get(name) === value;
  return match === 'any' || match === 'any-with-x'
    ? (headers) => entries.some((entry) => isMet(headers, entry))
    : (headers) => entries.every((entry) => isMet(headers, entry));
}
