/**
 * The rows of the last half minute, reduced for the chart: the lowest, the highest and the mean value of each numeric
 * field in each tenth of a second. A row costs a few additions, and drawing reads 300 buckets, for any number of rows a
 * second.
 *
 * Rows that were missed without a connection come later in one go. Their times are unknown, so they are spread evenly over
 * the time since the newest row.
 *
 * Buckets are kept in rings. The bucket of tenth T is at T modulo the ring's length; its `tenth` shows whether it still
 * belongs to T.
 */
import { eachNumber } from './numeric-fields.js';

export const WINDOW_MS = 30_000;
const BUCKET_MS = 100;
const BUCKETS = WINDOW_MS / BUCKET_MS + 1;
/** More lanes would be too many to look at. */
const FIELDS_MAX = 8;
const RATE_BUCKETS = 20;
/** Bound of the missed rows that wait for the next drawing. */
const MISSED_MAX = 10_000;

interface Bucket {
  tenth: number;
  count: number;
  min: number;
  max: number;
  sum: number;
}

/** A bucket's values for drawing. `at` is the middle of its time, epoch ms. */
export interface Point {
  readonly at: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
}

/** The figures of a field. */
export interface Lane {
  readonly field: string;
  readonly latest: number;
  /** The range in the window; undefined without a value. */
  readonly range: Range | undefined;
}

export interface Range {
  readonly low: number;
  readonly high: number;
}

export class Series {
  /** Number of rows since the page was opened. */
  count = 0;
  readonly #rows = newRing();
  readonly #lanes = new Map<string, { latest: number; readonly ring: Bucket[] }>();
  #missed: unknown[] = [];
  /** The time of the newest row. */
  #newestAt = -Infinity;

  /** `now` is epoch ms, here and in all methods. */
  add(row: unknown, now: number): void {
    this.#spread(now);
    this.count++;
    this.#put(row, now);
  }

  addMissed(row: unknown, now: number): void {
    this.count++;
    if (this.#missed.push(row) === MISSED_MAX) this.#spread(now);
  }

  #spread(now: number): void {
    const missed = this.#missed;
    if (missed.length === 0) return;
    this.#missed = [];
    const since = Math.max(this.#newestAt, now - WINDOW_MS);
    for (const [index, row] of missed.entries()) {
      this.#put(row, since + ((now - since) * (index + 1)) / missed.length);
    }
  }

  #put(row: unknown, now: number): void {
    this.#newestAt = now;
    put(this.#rows, now, 1);
    eachNumber(row, (field, value) => {
      let lane = this.#lanes.get(field);
      if (lane === undefined) {
        if (this.#lanes.size === FIELDS_MAX) return;
        lane = { latest: value, ring: newRing() };
        this.#lanes.set(field, lane);
      }
      lane.latest = value;
      put(lane.ring, now, value);
    });
  }

  /** In the order in which the fields first appeared. */
  lanes(now: number): Lane[] {
    this.#spread(now);
    return [...this.#lanes].map(([field, { latest }]) => ({ field, latest, range: rangeOf(this.points(field, now)) }));
  }

  /** Rows per second, as the average of the last two seconds. */
  rate(now: number): number {
    this.#spread(now);
    const last = tenthOf(now) - 1;
    let rows = 0;
    for (let tenth = last - RATE_BUCKETS + 1; tenth <= last; tenth++) rows += find(this.#rows, tenth)?.count ?? 0;
    return (rows * 1_000) / (RATE_BUCKETS * BUCKET_MS);
  }

  /** Oldest first, without empty buckets. */
  points(field: string, now: number): Point[] {
    this.#spread(now);
    const ring = this.#lanes.get(field)?.ring;
    if (ring === undefined) return [];
    const points: Point[] = [];
    const last = tenthOf(now);
    for (let tenth = last - BUCKETS + 1; tenth <= last; tenth++) {
      const bucket = find(ring, tenth);
      if (bucket === undefined) continue;
      const { min, max, sum, count } = bucket;
      points.push({ at: (tenth + 0.5) * BUCKET_MS, min, max, mean: sum / count });
    }
    return points;
  }

  /** Whether the window has any row. */
  isMoving(now: number): boolean {
    const last = tenthOf(now);
    return this.#rows.some(({ tenth }) => tenth > last - BUCKETS);
  }
}

/** The range of the points; undefined without points. */
export function rangeOf(points: readonly Point[]): Range | undefined {
  if (points.length === 0) return undefined;
  let [low, high] = [Infinity, -Infinity];
  for (const { min, max } of points) {
    low = Math.min(low, min);
    high = Math.max(high, max);
  }
  return { low, high };
}

function tenthOf(now: number): number {
  return Math.floor(now / BUCKET_MS);
}

function newRing(): Bucket[] {
  return Array.from({ length: BUCKETS }, () => ({ tenth: -Infinity, count: 0, min: 0, max: 0, sum: 0 }));
}

function put(ring: Bucket[], now: number, value: number): void {
  const tenth = tenthOf(now);
  const bucket = ring[tenth % BUCKETS] as Bucket;
  if (bucket.tenth !== tenth) Object.assign(bucket, { tenth, count: 0, min: value, max: value, sum: 0 });
  bucket.count++;
  bucket.sum += value;
  bucket.min = Math.min(bucket.min, value);
  bucket.max = Math.max(bucket.max, value);
}

function find(ring: readonly Bucket[], tenth: number): Bucket | undefined {
  const bucket = ring[tenth % BUCKETS];
  return bucket?.tenth === tenth ? bucket : undefined;
}
