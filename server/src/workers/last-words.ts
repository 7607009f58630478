/**
 * Ends a worker after an uncaught error. The worker first closes its sessions with 1012, so that the clients reconnect.
 * It spreads this over a second at most, so that they do not all return at once. The error may have left the process in
 * a broken state. Therefore the whole shutdown has a deadline, and a second error ends the process at once.
 */
import type { Relay } from '../relay.js';

/** Deadline of the shutdown; the sessions have a third of it (relay.ts). */
const DEADLINE_MS = 3_000;
const EXIT_CRASHED = 1;

export function endInOrderAfterCrash(relay: Pick<Relay, 'stop'>, report: (error: unknown) => void): void {
  process.once('uncaughtException', (error) => {
    report(error);
    const end = (): void => process.exit(EXIT_CRASHED);
    setTimeout(end, DEADLINE_MS);
    relay.stop({ deadlineMs: DEADLINE_MS, readyDelayMs: 0 }).then(end, end);
  });
}
