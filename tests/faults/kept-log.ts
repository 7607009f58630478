/**
 * The logs of history rules as an independent reader has read them from RabbitMQ (`stream-reader.ts`). A stream that is
 * deleted and declared again is another log, whose offsets begin again.
 */
import { partsOf } from './history.js';
import type { MessageName } from './history.js';

export interface KeptEntry {
  readonly offset: number;
  /** Undefined for a record of relays. */
  readonly message?: MessageName | undefined;
  /** A relay had sent it before, and got no confirm. */
  readonly isResent?: boolean | undefined;
  /** The id of a marker. */
  readonly marker?: string | undefined;
}

export class KeptLog {
  /** By offset. */
  readonly entries = new Map<number, KeptEntry>();
  /** The ids of all markers. */
  readonly markers = new Set<string>();
  /** The first offset that RabbitMQ still has. */
  firstOffset = 0;
  lastOffset = -1;
  /** It was deleted: its last entries may not have been read. */
  isDeleted = false;

  constructor(readonly rule: string) {}

  add(entry: KeptEntry): void {
    this.entries.set(entry.offset, entry);
    if (entry.marker !== undefined) this.markers.add(entry.marker);
    this.lastOffset = Math.max(this.lastOffset, entry.offset);
  }

  /** The messages to one of the destinations with an offset between the two, both exclusive. */
  between(from: number, to: number, destinations: readonly string[]): MessageName[] {
    const found: MessageName[] = [];
    for (let offset = from + 1; offset < Math.min(to, this.lastOffset + 1); offset++) {
      const message = this.entries.get(offset)?.message;
      if (message !== undefined && destinations.includes(partsOf(message).destination)) found.push(message);
    }
    return found;
  }
}

/** An entry of a log. */
export interface Place {
  readonly log: KeptLog;
  readonly offset: number;
}

export interface ReadPosition {
  readonly offset: number;
  readonly markerOffset: number;
  readonly markerId: string;
}

/** `offset.digest.marker-offset.marker-id`, in base 36. */
export function readPosition(position: string): ReadPosition {
  const [offset = '', , markerOffset = '', markerId = ''] = position.split('.');
  return { offset: parseInt(offset, 36), markerOffset: parseInt(markerOffset, 36), markerId };
}

/** Undefined if no log that was read has the position's marker. */
export function placeOf(logs: readonly KeptLog[], position: string): Place | undefined {
  const { offset, markerOffset, markerId } = readPosition(position);
  const log = logs.find(({ entries }) => entries.get(markerOffset)?.marker === markerId);
  return log && { log, offset };
}
