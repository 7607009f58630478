/** What bounds the process as a whole: its load, its end, its workers; and its log. */
import { z } from 'zod';
import { DAY_MS, section, TIMER_MAX_MS, whole } from './option-kinds.js';

export const loadShedding = section({
  lagMaxMs: whole(400, 0, 60_000).describe(
    'lag of the event loop that is not to be reached: from half of it on load is shed; 0: never',
  ),
  waitMaxMs: whole(5_000, 100, 10 * 60_000).describe(
    'how long a new session may wait to be let in, before it is told to come back',
  ),
  waitingMax: whole(10_000, 0, 1_000_000).describe('how many new sessions may wait'),
});

/** A stop, within `stopTimeoutMs`. */
export const drain = section({
  readyDelayMs: whole(0, 0, TIMER_MAX_MS).describe(
    'from `/readyz` saying no until nobody is let in any more, for load balancers to notice; at most half of `stopTimeoutMs`',
  ),
  sessionsPerSecond: whole(500, 1, 1_000_000).describe(
    'how many sessions a stop ends, all workers together, unless there are too many for its time',
  ),
  graceMs: whole(5_000, 0, DAY_MS).describe(
    'for a session to answer and flush what it has begun; one with the `drain` extension may stay as long beyond its moment',
  ),
});

export const WORKERS_MAX = 64;
const WORKERS_RULE = `must be a whole number from 1 to ${WORKERS_MAX}, or "auto" (one for each core)`;
const workerCount = z.int({ error: WORKERS_RULE }).min(1, { error: WORKERS_RULE }).max(WORKERS_MAX, {
  error: WORKERS_RULE,
});

export const workers = z
  .union([workerCount, z.literal('auto')], { error: WORKERS_RULE })
  .default(1)
  .describe('relay processes behind one port, RabbitMQ only; what bounds a relay bounds each of them');

export const log = section({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be trace, debug, info, warn, error or silent',
    })
    .default('info')
    .describe('of what is written to stderr'),
  format: z
    .enum(['auto', 'json', 'text'], { error: 'must be auto, json or text' })
    .default('auto')
    .describe('format of the log on stderr; `auto`: text on a terminal, JSON elsewhere'),
});
