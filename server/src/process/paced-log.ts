/**
 * A log for lines whose frequency is up to clients: at most one line per second of each kind (level and message). The
 * next line of a kind has the newest details, and the number of lines that were left out (`leftOut`).
 */
import type { Log } from './log.js';

const APART_MS = 1_000;
/** Maximum length of a text in the details. */
const TEXT_MAX_CHARS = 300;

type Level = keyof Log;

interface Kind {
  readonly level: Level;
  readonly message: string;
  count: number;
  newest: object;
}

export class PacedLog implements Log {
  /** Kinds with a line in the last second. */
  readonly #kinds = new Map<string, Kind>();

  constructor(private readonly log: Log) {}

  debug(details: object, message: string): void {
    this.#add('debug', details, message);
  }

  info(details: object, message: string): void {
    this.#add('info', details, message);
  }

  warn(details: object, message: string): void {
    this.#add('warn', details, message);
  }

  error(details: object, message: string): void {
    this.#add('error', details, message);
  }

  #add(level: Level, details: object, message: string): void {
    const key = `${level} ${message}`;
    const known = this.#kinds.get(key);
    if (known) {
      known.count++;
      known.newest = details;
      return;
    }
    this.log[level](shortened(details), message);
    const kind = { level, message, count: 0, newest: details };
    this.#kinds.set(key, kind);
    this.#scheduleNext(key, kind);
  }

  #scheduleNext(key: string, kind: Kind): void {
    setTimeout(() => {
      if (kind.count === 0) return void this.#kinds.delete(key);
      const leftOut = kind.count - 1;
      const details = shortened(kind.newest);
      this.log[kind.level](leftOut > 0 ? { ...details, leftOut } : details, kind.message);
      kind.count = 0;
      this.#scheduleNext(key, kind);
    }, APART_MS).unref();
  }
}

function shortened(details: object): object {
  const entries = Object.entries(details).map(([name, value]: [string, unknown]) => {
    const isLong = typeof value === 'string' && value.length > TEXT_MAX_CHARS;
    return [name, isLong ? `${value.slice(0, TEXT_MAX_CHARS)}...` : value];
  });
  return Object.fromEntries(entries) as object;
}
