/**
 * How many bytes of a socket the kernel has taken, also in the middle of a write. `bytesWritten` and `writableLength` count
 * a write only when all of it is taken, and all that waits becomes one write: a client that needs a minute for 8 MiB would
 * seem to read nothing for that minute. The handle knows what is left, as Node's own `socket.setTimeout` asks it.
 */
import type { Socket } from 'node:net';

interface Handle {
  readonly writeQueueSize?: number;
  /** The handle below that of TLS, which itself counts a write until all of it is taken. */
  readonly _parent?: Handle;
}

/** Not part of Node's documentation. Where one of them is missing, a write counts when it is done. */
interface Internals {
  readonly _handle?: Handle | null;
  readonly _writableState?: { readonly writelen?: number };
}

/** Grows whenever the kernel takes something, and never falls. */
export function takenBytes(socket: Socket): number {
  const { _handle: handle, _writableState: state } = socket as unknown as Internals;
  const underWay = state?.writelen ?? 0;
  // Encrypted bytes are a few more
  const left = (handle?._parent ?? handle)?.writeQueueSize ?? underWay;
  return socket.bytesWritten - socket.writableLength + Math.max(0, underWay - left);
}
