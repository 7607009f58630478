/** The markers of a log that this relay has read. They prove positions. */
import type { Anchor } from './history-message.js';
import { publicIdOf } from './position.js';
import type { Marker } from './position.js';

const MAX_COUNT = 100_000;
const MAX_BYTES = 6 * 1024 * 1024;
/** Memory of a marker besides its id. */
const MARKER_BYTES = 48;

/** `unread`: the marker lies before the first entry that this relay has read, or has been forgotten. */
export type MarkerVerdict = 'proven' | 'other' | 'unread';

export class Markers {
  private known: Marker[] = [];
  private bytes = 0;
  /** No marker from here on is missing in the list. */
  private completeFrom: number | undefined;
  /** That of the entries from now on. */
  anchor: Anchor = { marker: undefined };
  /** That of the entries before the first marker. A reader that comes from further back fills it in. */
  firstAnchor = this.anchor;

  constructor(
    private readonly maxCount = MAX_COUNT,
    private readonly maxBytes = MAX_BYTES,
  ) {}

  get newest(): Marker | undefined {
    return this.anchor.marker;
  }

  get size(): number {
    return this.known.length;
  }

  /** Call for each entry. */
  passed(offset: number): void {
    this.completeFrom ??= offset;
  }

  add(marker: Marker): void {
    this.known.push(marker);
    this.bytes += bytesOf(marker);
    this.anchor = { marker };
    if (this.known.length > this.maxCount || this.bytes > this.maxBytes) this.forgetOldest();
  }

  clear(): void {
    this.known = [];
    this.bytes = 0;
    this.completeFrom = undefined;
    this.anchor = this.firstAnchor = { marker: undefined };
  }

  verdict({ offset, id }: Marker): MarkerVerdict {
    if (this.completeFrom === undefined || offset < this.completeFrom) return 'unread';
    const found = this.at(offset);
    return found && publicIdOf(found.id) === id ? 'proven' : 'other';
  }

  /** The marker at exactly this offset. */
  at(offset: number): Marker | undefined {
    let low = 0;
    let high = this.known.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.known[middle]!.offset < offset) low = middle + 1;
      else high = middle;
    }
    const found = this.known[low];
    return found?.offset === offset ? found : undefined;
  }

  /** Half of them at once, so that it happens rarely. */
  private forgetOldest(): void {
    const forgotten = this.known.splice(0, this.known.length >>> 1);
    for (const marker of forgotten) this.bytes -= bytesOf(marker);
    this.completeFrom = this.known[0]!.offset;
  }
}

function bytesOf({ id }: Marker): number {
  return MARKER_BYTES + id.length;
}
