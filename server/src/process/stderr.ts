/**
 * The process's stderr, written to without waiting for its reader: for the log, and for the command line's own errors.
 *
 * A write to a pipe that is full would stop the event loop, or, from a thread of libuv's, the end of the process: so the
 * descriptor has to be non-blocking. That flag belongs to everything that shares the pipe, so stderr is opened once more, which
 * Linux allows for pipes and terminals.
 */
import { constants, fstatSync, openSync } from 'node:fs';
import { LossyWriter } from './lossy-writer.js';

/** What waits for a reader that is slow or away. */
const WAITING_MAX_BYTES = 1_048_576;
/** How long the end of the process may take for the last lines. */
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
  // Looked at for the first time, process.stderr makes a pipe or socket non-blocking. So what V8 and Node print while the
  // process dies does not wait for a reader either.
  const { fd } = process.stderr;
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
  try {
    const stats = fstatSync(fd);
    if (stats.isFIFO() || stats.isCharacterDevice())
      return openSync(`/proc/self/fd/${fd}`, O_WRONLY | O_NONBLOCK | O_NOCTTY);
  } catch {
    // A pipe that belongs to another user, or a system without /proc
  }
  return fd;
}
