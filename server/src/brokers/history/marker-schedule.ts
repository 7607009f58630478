/**
 * When the next marker is due. The relays share the work: each waits a random part of a second, and writes none if
 * another relay's marker came meanwhile. Each also writes one of its own at intervals, which shows that its log is not
 * silent.
 */
import type { Clock } from './clock.js';

export interface MarkerSettings {
  readonly markerMaxCount: number;
  readonly markerMaxBytes: number;
  readonly markerMs: number;
}

const RANDOM_WAIT_MS = 1_000;
export const OWN_MARKER_MS = 30_000;

export class MarkerSchedule {
  private count = 0;
  private bytes = 0;
  private cancelDue: (() => void) | undefined;
  private cancelAge: (() => void) | undefined;
  private cancelOwn: (() => void) | undefined;
  private isRunning = false;

  constructor(
    private readonly settings: MarkerSettings,
    private readonly clock: Clock,
    private readonly write: () => void,
    /** Undefined for a log in this process, which cannot fall silent. */
    private readonly ownMs: number | undefined,
  ) {}

  start(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.waitForOwn();
  }

  stop(): void {
    this.isRunning = false;
    this.cancelOwn?.();
    this.markerPassed();
  }

  messagePassed(bytes: number): void {
    if (!this.isRunning) return;
    this.count++;
    this.bytes += bytes;
    const { markerMaxCount, markerMaxBytes, markerMs } = this.settings;
    if (this.count >= markerMaxCount || this.bytes >= markerMaxBytes) this.due();
    else this.cancelAge ??= this.clock.after(markerMs, () => this.due());
  }

  /** A marker of any relay. */
  markerPassed(): void {
    this.count = 0;
    this.bytes = 0;
    this.cancelAge?.();
    this.cancelAge = undefined;
    this.cancelDue?.();
    this.cancelDue = undefined;
  }

  private due(): void {
    this.cancelDue ??= this.clock.after(this.clock.random() * RANDOM_WAIT_MS, () => {
      // If this marker is lost, the messages that follow make the next one due
      this.markerPassed();
      this.write();
    });
  }

  private waitForOwn(): void {
    if (this.ownMs === undefined) return;
    this.cancelOwn = this.clock.after(this.ownMs, () => {
      this.write();
      this.waitForOwn();
    });
  }
}
