/**
 * The newest entries of a log, in the relay's memory. A circular buffer: offsets, sizes and key ids are in typed arrays,
 * so that finding an offset and filtering by a pattern touch no objects.
 *
 * The ring holds every entry of the log from `floor` (exclusive) to `newest`.
 */
import { KeyTable, NO_KEY } from './key-table.js';
import type { KeyFilter, KeyPattern } from './key-table.js';

export interface RingBounds {
  readonly maxBytes: number;
  readonly maxCount: number;
  /** Older entries leave. Undefined: entries leave for lack of room only. */
  readonly maxAgeMs?: number | undefined;
}

/** Entries of one pattern behind a cursor. `overrun`: the ring has moved past the cursor. */
export type RingStep<T> = { readonly items: readonly T[]; readonly cursor: number } | 'overrun';

/** Memory of an entry besides its message. */
export const ENTRY_BYTES = 64;
const FIRST_CAPACITY = 256;

export class Ring<T> {
  bytes = 0;
  size = 0;
  /** The offset behind which no entry is missing. */
  floor = -1;
  newest = -1;
  private readonly keys = new KeyTable();
  private capacity = FIRST_CAPACITY;
  private start = 0;
  private columns = makeColumns<T>(FIRST_CAPACITY);

  constructor(
    private readonly bounds: RingBounds,
    private readonly now: () => number,
  ) {}

  /** `key` undefined: the entry matches no pattern. Offsets MUST grow. */
  add(offset: number, key: string | undefined, item: T, bytes: number): void {
    if (this.size === 0) this.floor = offset - 1;
    if (this.size === this.capacity) this.grow();
    const place = (this.start + this.size++) & (this.capacity - 1);
    const { offsets, sizes, keyIds, times, items } = this.columns;
    offsets[place] = offset;
    sizes[place] = bytes;
    keyIds[place] = key === undefined ? NO_KEY : this.keys.acquire(key);
    times[place] = this.now();
    items[place] = item;
    this.bytes += bytes + ENTRY_BYTES;
    this.newest = offset;
    this.trim();
  }

  /** Removes entries beyond the bounds. The newest entry stays, because positions are proven by it. */
  trim(): void {
    const { maxBytes, maxCount, maxAgeMs = Infinity } = this.bounds;
    const oldest = this.now() - maxAgeMs;
    while (
      this.size > 1 &&
      (this.bytes > maxBytes || this.size > maxCount || this.columns.times[this.start]! < oldest)
    ) {
      this.removeOldest();
    }
  }

  clear(): void {
    while (this.size > 0) this.removeOldest();
    this.floor = -1;
    this.newest = -1;
  }

  /** The entry with exactly this offset. */
  get(offset: number): T | undefined {
    const index = this.indexAfter(offset - 1);
    if (index >= this.size) return undefined;
    const place = this.placeOf(index);
    return this.columns.offsets[place] === offset ? this.columns.items[place] : undefined;
  }

  /** All entries, oldest first. */
  *all(): Generator<T> {
    for (let index = 0; index < this.size; index++) yield this.columns.items[this.placeOf(index)]!;
  }

  /** The number of entries of the pattern behind `cursor`. */
  count(cursor: number, pattern: KeyPattern): number {
    const filter = this.keys.filterFor(pattern);
    let count = 0;
    for (let index = this.indexAfter(cursor); index < this.size; index++) {
      if (filter.accepts(this.columns.keyIds[this.placeOf(index)]!)) count++;
    }
    return count;
  }

  /** At least one entry, if there is one, and then as many as fit in `maxBytes`. */
  next(cursor: number, pattern: KeyPattern, maxBytes: number): RingStep<T> {
    if (cursor < this.floor) return 'overrun';
    const filter: KeyFilter = this.keys.filterFor(pattern);
    const { offsets, sizes, keyIds, items } = this.columns;
    const found: T[] = [];
    let bytes = 0;
    for (let index = this.indexAfter(cursor); index < this.size; index++) {
      const place = this.placeOf(index);
      if (!filter.accepts(keyIds[place]!)) continue;
      bytes += sizes[place]!;
      if (found.length > 0 && bytes > maxBytes) return { items: found, cursor };
      found.push(items[place]!);
      cursor = offsets[place]!;
    }
    return { items: found, cursor: this.newest };
  }

  /** The index of the first entry behind this offset. */
  private indexAfter(offset: number): number {
    const { offsets } = this.columns;
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (offsets[this.placeOf(middle)]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private placeOf(index: number): number {
    return (this.start + index) & (this.capacity - 1);
  }

  private removeOldest(): void {
    const { offsets, sizes, keyIds, items } = this.columns;
    const { start } = this;
    this.floor = offsets[start]!;
    this.bytes -= sizes[start]! + ENTRY_BYTES;
    this.keys.release(keyIds[start]!);
    items[start] = undefined;
    this.start = (start + 1) & (this.capacity - 1);
    this.size--;
  }

  private grow(): void {
    const before = this.columns;
    const columns = makeColumns<T>(this.capacity * 2);
    for (let index = 0; index < this.size; index++) {
      const place = this.placeOf(index);
      columns.offsets[index] = before.offsets[place]!;
      columns.sizes[index] = before.sizes[place]!;
      columns.keyIds[index] = before.keyIds[place]!;
      columns.times[index] = before.times[place]!;
      columns.items[index] = before.items[place];
    }
    this.columns = columns;
    this.capacity *= 2;
    this.start = 0;
  }
}

interface Columns<T> {
  readonly offsets: Float64Array;
  readonly sizes: Float64Array;
  readonly keyIds: Uint32Array;
  readonly times: Float64Array;
  readonly items: (T | undefined)[];
}

function makeColumns<T>(capacity: number): Columns<T> {
  return {
    offsets: new Float64Array(capacity),
    sizes: new Float64Array(capacity),
    keyIds: new Uint32Array(capacity),
    times: new Float64Array(capacity),
    items: new Array<T | undefined>(capacity).fill(undefined),
  };
}
