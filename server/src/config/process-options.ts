/** What bounds the process as a whole: its load, its end, its workers; and its log. */
import { z } from 'zod';
import { DAY_MS, section, TIMER_MAX_MS, whole } from './option-kinds.js';

export const loadShedding = section({
  /** The lag of the event loop that is not to be reached: from half of it on load is shed. 0: never. */
  lagMaxMs: whole(400, 0, 60_000),
  /** How long a new session may wait to be let in, and how many may, before they are told to come back later. */
  waitMaxMs: whole(5_000, 100, 10 * 60_000),
  waitingMax: whole(10_000, 0, 1_000_000),
});

/** A stop, within `stopTimeoutMs`. */
export const drain = section({
  /** From /readyz saying no until nobody is let in any more: for load balancers that have to notice it first. */
  readyDelayMs: whole(0, 0, TIMER_MAX_MS),
  /** At most so many sessions end in a second, of all workers together; unless there are too many for the time. */
  sessionsPerSecond: whole(500, 1, 1_000_000),
  /** For a session to answer and flush what it has begun; one with the `drain` extension may also stay as long beyond its moment. */
  graceMs: whole(5_000, 0, DAY_MS),
});

export const WORKERS_MAX = 64;
const WORKERS_RULE = `must be a whole number from 1 to ${WORKERS_MAX}, or "auto" (one for each core)`;
const workerCount = z.int({ error: WORKERS_RULE }).min(1, { error: WORKERS_RULE }).max(WORKERS_MAX, {
  error: WORKERS_RULE,
});

export const workers = z.union([workerCount, z.literal('auto')], { error: WORKERS_RULE }).default(1);

export const log = section({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be trace, debug, info, warn, error or silent',
    })
    .default('info'),
});
