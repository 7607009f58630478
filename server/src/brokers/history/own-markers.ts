/**
 * The markers that this relay writes. Each makes a round trip: into the log, and back with the log's entries. Then the
 * relay has read everything that was published before it. A marker that does not come back shows that the log has
 * fallen silent.
 */
import { randomBytes } from 'node:crypto';
import type { HistoryLog } from '../history.js';
import type { Clock } from './clock.js';

/** Called once: with the marker's offset, in the turn of its arrival; or with undefined, if it did not come back. */
export type Returned = (offset: number | undefined) => void;

interface Trip {
  readonly returned: Returned;
  isWritten: boolean;
  readonly stopWaiting: () => void;
}

/** After this time without its own marker a relay opens the log again. */
export const SILENCE_MS = 10_000;

export class OwnMarkers {
  private readonly trips = new Map<string, Trip>();
  private reopenedAt = -Infinity;

  constructor(
    private readonly log: Pick<HistoryLog, 'mark' | 'reopen'>,
    private readonly clock: Clock,
    private readonly makeId = randomId,
  ) {}

  write(returned: Returned = () => undefined): void {
    const id = this.makeId();
    const stopWaiting = this.clock.after(SILENCE_MS, () => this.missing(id));
    const trip: Trip = { returned, isWritten: false, stopWaiting };
    this.trips.set(id, trip);
    this.log.mark(id).then(
      () => (trip.isWritten = true),
      () => this.end(id, undefined),
    );
  }

  /** Call for each marker that arrives. */
  arrived(id: string, offset: number): void {
    this.end(id, offset);
  }

  /** Markers that are under way belong to the past. */
  forget(): void {
    for (const id of [...this.trips.keys()]) this.end(id, undefined);
  }

  /** A log that refuses markers is away, and finds its way back by itself. */
  private missing(id: string): void {
    const isSilent = this.trips.get(id)?.isWritten === true;
    this.end(id, undefined);
    if (!isSilent || this.clock.now() - this.reopenedAt < SILENCE_MS) return;
    this.reopenedAt = this.clock.now();
    this.log.reopen();
  }

  private end(id: string, offset: number | undefined): void {
    const trip = this.trips.get(id);
    if (!trip) return;
    this.trips.delete(id);
    trip.stopWaiting();
    trip.returned(offset);
  }
}

/** Two halves of 48 random bits each: see position.ts. */
export function randomId(): string {
  return half() + half();
}

function half(): string {
  return randomBytes(6).readUIntBE(0, 6).toString(36).padStart(10, '0');
}
