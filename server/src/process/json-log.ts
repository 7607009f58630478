/**
 * The log on stderr: JSON lines, or text where stderr is a terminal. stdout has the lines that name the listeners.
 */
import { pino } from 'pino';
import type { Log } from './log.js';
import { stderrIsTerminal, stderrWriter } from './stderr.js';
import { textLine } from './text-line.js';

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** `auto`: text on a terminal, JSON elsewhere. */
  readonly format?: 'auto' | 'json' | 'text';
  /** The number of this process, if several processes write to one stderr. */
  readonly worker?: number;
}

/** The destination of lines; for tests. */
export interface LogTarget {
  write(line: string): void;
}

/** Masked in every line, in case a whole map of headers is logged. */
const SECRETS = ['passcode', 'password', 'authorization', 'cookie'];
/**
 * JSON does not escape these, and terminals interpret them: C1 controls, and marks that change the direction of text.
 */
const UNESCAPED = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

export function createLog({ level, format = 'auto', worker }: LogOptions, target?: LogTarget): Log {
  const lines = target ?? stderrWriter();
  const isText = format === 'text' || (format === 'auto' && !target && stderrIsTerminal());
  const shape = isText ? textLine : (line: string): string => line;
  const log = pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    },
    { write: (line) => lines.write(shape(line).replace(UNESCAPED, escaped)) },
  );
  if (!target) {
    stderrWriter().onRoom = (count) =>
      log.error({ lines: count }, 'lines of the log were dropped, because stderr did not accept them');
  }
  return log;
}

/** The number of lines that stderr did not accept, for all logs of this process. */
export function droppedLogLines(): number {
  return stderrWriter().dropped;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
