/**
 * The number of bytes of a socket that the kernel has taken, even in the middle of a write. `bytesWritten` and
 * `writableLength` count a write only when it is complete, and all waiting data becomes one write: a client that needs
 * a minute for 8 MiB would seem to read nothing during that minute. The handle has the remaining bytes; Node's own
 * `socket.setTimeout` reads them too.
 */
import type { Socket } from 'node:net';

interface Handle {
  readonly writeQueueSize?: number;
  /** The handle below the TLS handle, which counts a write only when it is complete. */
  readonly _parent?: Handle;
}

/** Undocumented parts of Node. If one is missing, a write counts when it is complete. */
interface Internals {
  readonly _handle?: Handle | null;
  readonly _writableState?: { readonly writelen?: number };
}

/** The result grows when the kernel takes bytes, and never decreases. */
export function takenBytes(socket: Socket): number {
  const { _handle: handle, _writableState: state } = socket as unknown as Internals;
  const pending = state?.writelen ?? 0;
  // Encryption adds a few bytes, so this can exceed `pending`.
  const left = remainingBytes(handle) ?? pending;
  return socket.bytesWritten - socket.writableLength + Math.max(0, pending - left);
}

/** The bytes of the current write that the kernel has not taken; undefined if this is not known. */
function remainingBytes(handle: Handle | null | undefined): number | undefined {
  const below = handle?._parent;
  if (below === undefined) return handle?.writeQueueSize;
  // Before Node 26 has encrypted the first bytes of a write, both queues are empty.
  return handle?.writeQueueSize === 0 ? undefined : below.writeQueueSize;
}
