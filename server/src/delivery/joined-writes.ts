/** Joins many small Buffers into few writes, and bounds the bytes that are copied for that. */

/** A Buffer of at least this size is written as it is: joining would save nothing, and would copy shared bytes. */
export const LARGE_BYTES = 256 * 1024;
const JOINED_MAX_BYTES = 1024 * 1024;

/** Returns the same bytes in the same order. */
export function joinedWrites(buffers: readonly Buffer[]): Buffer[] {
  if (buffers.length === 1) return [buffers[0]!];
  const writes: Buffer[] = [];
  let from = 0;
  let bytes = 0;
  const join = (to: number): void => {
    if (to > from) writes.push(to === from + 1 ? buffers[from]! : Buffer.concat(buffers.slice(from, to), bytes));
    from = to;
    bytes = 0;
  };
  for (let i = 0; i < buffers.length; i++) {
    const { length } = buffers[i]!;
    if (length >= LARGE_BYTES || bytes + length > JOINED_MAX_BYTES) join(i);
    bytes += length;
    if (length >= LARGE_BYTES) join(i + 1);
  }
  join(buffers.length);
  return writes;
}
