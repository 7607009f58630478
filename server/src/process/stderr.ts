/**
 * Writes to the process's stderr without waiting for its reader, for the log and for errors of the command line.
 *
 * A write to a full pipe would block the event loop or, from a thread of libuv, the end of the process. So the
 * descriptor must be non-blocking. All processes that share the pipe share that flag, so stderr is opened once more,
 * which Linux allows for pipes and terminals.
 */
import { constants, fstatSync, openSync } from 'node:fs';
import { LossyWriter } from './lossy-writer.js';

/** Maximum size of the lines that wait for a slow or missing reader. */
const WAITING_MAX_BYTES = 1_048_576;
/** Time limit for the last lines at the end of the process. */
const FLUSH_MS = 500;

let writer: LossyWriter | undefined;

export function stderrWriter(): LossyWriter {
  if (writer) return writer;
  const created = new LossyWriter(openStderr(), WAITING_MAX_BYTES);
  process.on('exit', () => created.flushSync(FLUSH_MS));
  return (writer = created);
}

export function stderrIsTerminal(): boolean {
  return process.stderr.isTTY;
}

function openStderr(): number {
  // The first access of process.stderr makes a pipe or socket non-blocking. So messages that V8 and Node print while
  // the process dies do not wait for a reader either.
  const { fd } = process.stderr;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO() || stats.isCharacterDevice())
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // The pipe belongs to another user, or the system has no /proc.
  }
  return fd;
}
