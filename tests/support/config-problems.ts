import { ConfigError } from '../../server/src/config.js';

/** What `run` says is wrong with a configuration, a sentence for each option; none where it says nothing. */
export function problemsOf(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}
