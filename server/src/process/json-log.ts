/** Logs are JSON lines on stderr: stdout belongs to the lines that say what listens where. */
import { pino } from 'pino';
import type { Log } from './log.js';
import { stderrWriter } from './stderr.js';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Of several processes that write to one stderr, which this is. */
  readonly worker?: number;
}

/** Where lines go; for tests. */
export interface LogTarget {
  write(line: string): void;
}

/** Nobody logs these on purpose; a header map that is logged whole must not give them away. */
const SECRETS = ['passcode', 'password', 'authorization', 'cookie'];
/** JSON leaves these as they are, and a terminal obeys them: C1 controls, and marks that turn the direction of text round. */
const UNESCAPED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export function createLog({ level, worker }: LogOptions, target?: LogTarget): Log {
  const lines = target ?? stderrWriter();
  const log = pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    },
    { write: (line) => lines.write(line.replace(UNESCAPED, escaped)) },
  );
  if (!target) {
    stderrWriter().onRoom = (count) =>
      log.error({ lines: count }, 'lines of the log were dropped: stderr took no more');
  }
  return log;
}

/** Lines that stderr did not take, of all logs of this process. */
export function droppedLogLines(): number {
  return stderrWriter().dropped;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
