/** Plain numbers about all histories of a relay, which the metrics read. */
import type { HistoryGauges } from '../broker.js';
import type { RecoveryReason } from '../history.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class HistoryCounters implements Mutable<HistoryGauges> {
  recovered = 0;
  readonly refused: Partial<Record<RecoveryReason, number>> = {};
  readonly interrupted: Partial<Record<RecoveryReason, number>> = {};
  replayed = 0;
  gaps = 0;
  readers = 0;

  /** `ringBytesOf` adds up the rings. */
  constructor(private readonly ringBytesOf: () => number = () => 0) {}

  get ringBytes(): number {
    return this.ringBytesOf();
  }

  refuse(reason: RecoveryReason): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }

  interrupt(reason: RecoveryReason): void {
    this.interrupted[reason] = (this.interrupted[reason] ?? 0) + 1;
  }
}
