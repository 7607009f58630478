/** Logs are JSON lines on stderr: stdout belongs to the lines that say what listens where. */
import { pino } from 'pino';

/** What every part of the relay is given. Details first, as pino wants it; they never hold credentials. */
export interface Log {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Of several processes that write to one stderr, which this is. */
  readonly worker?: number;
}

/** Where lines go; for tests. */
export interface LogTarget {
  write(line: string): void;
}

const STDERR = 2;
/** Nobody logs these on purpose; a header map that is logged whole must not give them away. */
const SECRETS = ['passcode', 'password', 'authorization', 'cookie'];

export function createLog(
  { level, worker }: LogOptions,
  target: LogTarget = pino.destination({ fd: STDERR, sync: true }),
): Log {
  return pino(
    {
      level,
      base: worker === undefined ? null : { worker },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    },
    target,
  );
}
