/**
 * Collects one page from a large, unordered set: the `limit` lowest keys above `after`, in order. It holds at most
 * `2 * limit` entries. An entry that exists throughout a paged read appears on exactly one page, even while others are
 * added or removed.
 */
export interface Page<T> {
  readonly items: readonly T[];
  /** The `after` of the next page; absent on the last one. */
  readonly next?: string;
}

export interface PageRequest {
  /** The last key of the previous page; omit it for the first page. */
  readonly after?: string;
  readonly limit: number;
}

export class KeysetPage<T> {
  private readonly kept = new Map<string, T>();
  private readonly after: string;
  private readonly limit: number;
  /** Highest key that can still be on the page; undefined before the first cut. */
  private highest: string | undefined;

  constructor({ after = '', limit }: PageRequest) {
    this.after = after;
    this.limit = limit;
  }

  /** True if this key can be on the page, as far as is known. */
  wants(key: string): boolean {
    return key > this.after && (this.highest === undefined || key <= this.highest);
  }

  get(key: string): T | undefined {
    return this.kept.get(key);
  }

  /** Requires `wants(key)`. */
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

/** Joins the pages that several sources returned for one request. `join` merges two items with the same key. */
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
  // Even if all items of the given pages fit on this page, one of the sources may have more
  const isMore = joined.next !== undefined || pages.some(({ next }) => next !== undefined);
  return isMore && last !== undefined ? { items: joined.items, next: keyOf(last) } : { items: joined.items };
}
