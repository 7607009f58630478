/**
 * An error that nobody caught ends the process, but not before its clients have heard of it: they are closed with a code
 * that lets them come back (1012), spread over a second at most, so that they do not return all at once. What such
 * an error has left behind is not to be trusted, so this has a deadline, and a second error ends the process at once.
 */
import type { Relay } from '../relay.js';

/** Of which the sessions have a third (relay.ts). */
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
