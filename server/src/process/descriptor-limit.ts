/**
 * The number of files that this process may have open at a time (`nofile`), sockets included. Node raises the soft limit
 * to the hard limit at its start. Undefined where it cannot be read (not on Linux), and without a limit.
 */
import { readFileSync } from 'node:fs';

export function descriptorLimit(file = '/proc/self/limits'): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+) /m.exec(readFileSync(file, 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
