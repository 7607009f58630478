import { ConfigError } from '../../server/src/config.js';

/** The problems of a configuration that `run` reports, one sentence per option; empty without problems. */
export function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
