/** Time and chance, so that tests decide about both. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** From 0 (inclusive) to 1. */
  random(): number;
  /** Calls `run` once after `ms`. Returns the function that cancels it. */
  after(ms: number, run: () => void): () => void;
}

/** Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  random: Math.random,
  after: (ms, run) => {
    const timer = setTimeout(run, ms).unref();
    return () => clearTimeout(timer);
  },
};
