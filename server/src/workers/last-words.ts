/**
 * An error that nobody caught ends the process, but not before its clients have heard of it: they are closed with a code
 * that lets them come back (1012), each at a random moment of a second, so that they do not return all at once. What such
 * an error has left behind is not to be trusted, so this has a deadline, and a second error ends the process at once.
 */
import type { Relay } from '../relay.js';

const SPREAD_MS = 1_000;
const DEADLINE_MS = 2_000;
const EXIT_CRASHED = 1;

export function endInOrderAfterCrash(relay: Pick<Relay, 'stop'>, report: (error: unknown) => void): void {
  process.once('uncaughtException', (error) => {
    report(error);
    const end = (): void => process.exit(EXIT_CRASHED);
    setTimeout(end, DEADLINE_MS);
    relay.stop(SPREAD_MS).then(end, end);
  });
}
