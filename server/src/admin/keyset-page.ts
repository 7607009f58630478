/**
 * A page of something that is offered in any order, and may be huge: of all keys above `after`, the `limit` lowest, in order.
 * Holds at most twice as many. Who is there all the time while somebody reads page after page is on exactly one of them,
 * whoever comes and goes meanwhile.
 */
export interface Page<T> {
  readonly items: readonly T[];
  /** The `after` of the next page; absent on the last one. */
  readonly next?: string;
}

export interface PageRequest {
  /** The last key of the page before; not given: from the beginning. */
  readonly after?: string;
  readonly limit: number;
}

export class KeysetPage<T> {
  private readonly kept = new Map<string, T>();
  private readonly after: string;
  private readonly limit: number;
  /** There are `limit` keys up to this one; undefined until there were twice as many. */
  private highest: string | undefined;

  constructor({ after = '', limit }: PageRequest) {
    this.after = after;
    this.limit = limit;
  }

  /** Whether it can be on this page, as far as is known. */
  wants(key: string): boolean {
    return key > this.after && (this.highest === undefined || key <= this.highest);
  }

  get(key: string): T | undefined {
    return this.kept.get(key);
  }

  /** Only for a key that is wanted. */
  set(key: string, item: T): void {
    this.kept.set(key, item);
    if (this.kept.size >= 2 * this.limit) this.cut();
  }

  page(): Page<T> {
    const isCut = this.highest !== undefined || this.kept.size > this.limit;
    this.cut();
    const keys = [...this.kept.keys()].sort();
    const last = keys.at(-1);
    const items = keys.map((key) => this.kept.get(key)!);
    return isCut && last !== undefined ? { items, next: last } : { items };
  }

  private cut(): void {
    const keys = [...this.kept.keys()].sort();
    for (const key of keys.slice(this.limit)) this.kept.delete(key);
    if (keys.length >= this.limit) this.highest = keys[this.limit - 1];
  }
}

/** The page of what several have a page of each, asked with the same request. `join` puts two items of the same key together. */
export function joinPages<T>(
  pages: readonly Page<T>[],
  request: PageRequest,
  keyOf: (item: T) => string,
  join: (one: T, other: T) => T,
): Page<T> {
  const lowest = new KeysetPage<T>(request);
  for (const item of pages.flatMap(({ items }) => items)) {
    const key = keyOf(item);
    const known = lowest.get(key);
    if (lowest.wants(key)) lowest.set(key, known === undefined ? item : join(known, item));
  }
  const joined = lowest.page();
  const last = joined.items.at(-1);
  // All that the workers have may be on the page, and yet be not all that there is
  const isMore = joined.next !== undefined || pages.some(({ next }) => next !== undefined);
  return isMore && last !== undefined ? { items: joined.items, next: keyOf(last) } : { items: joined.items };
}
