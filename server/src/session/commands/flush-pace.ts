/**
 * The pace of requests that flush groups, which the session shares with other clients. A flush makes a group write
 * before it has gathered messages, and can cost the broker a message. So the next one of a session waits for a time that
 * grows with the number of groups.
 */
import type { CommandSession } from './command.js';

const PAUSE_MS = 10;

/** Undefined if the session may flush now. Resolves when it may, unless the session has ended by then. */
export function flushTurn({ resources }: CommandSession): Promise<void> | undefined {
  const waitMs = resources.nextFlushAt - performance.now();
  return waitMs > 0 ? new Promise((resolve) => resources.later(waitMs, resolve)) : undefined;
}

export function countFlushes({ resources }: CommandSession, groups: number): void {
  resources.nextFlushAt = performance.now() + PAUSE_MS * groups;
}
