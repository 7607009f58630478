/** A log that a test can search for secrets. It includes all properties of errors. */
import { inspect } from 'node:util';
import type { RelayHooks } from '../../server/src/index.js';

export type RecordingLog = NonNullable<RelayHooks['log']> & { readonly lines: readonly string[] };

export function recordingLog(): RecordingLog {
  const lines: string[] = [];
  const write =
    (level: string) =>
    (details: object, message: string): void =>
      void lines.push(`${level} ${message} ${inspect(details, { depth: 10, showHidden: true })}`);
  return { lines, debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') };
}
