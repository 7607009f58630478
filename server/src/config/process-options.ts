/** Options of the process as a whole: load, stop, workers, log. */
import { z } from 'zod';
import { DAY_MS, section, TIMER_MAX_MS, whole } from './option-kinds.js';

export const loadShedding = section({
  lagMaxMs: whole(400, 0, 60_000).describe(
    'Event-loop lag limit in ms. Load shedding starts at half of it; 0 disables it.',
  ),
  waitMaxMs: whole(5_000, 100, 10 * 60_000).describe(
    'Maximum time in ms that a new session waits to be admitted. After that it is refused.',
  ),
  waitingMax: whole(10_000, 0, 1_000_000).describe(
    'Maximum number of new sessions that wait to be admitted; 0: none may wait.',
  ),
});

/** The stop, which takes `stopTimeoutMs` at most. */
export const drain = section({
  readyDelayMs: whole(0, 0, TIMER_MAX_MS).describe(
    'Time in ms that a stopping relay still accepts clients after `/readyz` has turned to 503, for load balancers to notice. At most half of `stopTimeoutMs`.',
  ),
  sessionsPerSecond: whole(500, 1, 1_000_000).describe(
    'Maximum number of sessions that a stop ends per second, all workers together. If `stopTimeoutMs` is too short for all sessions, they end faster.',
  ),
  graceMs: whole(5_000, 0, DAY_MS).describe(
    'Time in ms that a session has at its end to answer and flush pending work. A session with the `drain` extension may stay this long after its scheduled move.',
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
  .describe(
    'Number of relay processes behind one port; `auto`: one for each core. More than one needs RabbitMQ. Limits apply to each process separately.',
  );

export const workerTimeoutMs = whole(15_000, 2_000, 10 * 60_000).describe(
  'Time in ms after which a worker whose event loop stands still is killed and replaced. A busy worker that answers in between stays.',
);

export const log = section({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
      error: 'must be trace, debug, info, warn, error or silent',
    })
    .default('info')
    .describe('Lowest level of log lines that are written to stderr.'),
  format: z
    .enum(['auto', 'json', 'text'], { error: 'must be auto, json or text' })
    .default('auto')
    .describe('Format of the log on stderr. `auto` is text on a terminal and JSON elsewhere.'),
});
