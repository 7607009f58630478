/** Many small Buffers become few writes, and what is copied for that has a bound. */

/** A Buffer of this size or more is written as it is: joining saves nothing there, and copies what others share. */
export const LARGE_BYTES = 256 * 1024;
const JOINED_MAX_BYTES = 1024 * 1024;

/** The same bytes in the same order. */
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
