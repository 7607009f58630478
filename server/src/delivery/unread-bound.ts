/**
 * How much a client may leave unread: a number of bytes, or a few of its largest messages where that is more. Otherwise a
 * client that reads would be ended because some large messages come in a row. `messageMaxBytes` bounds their size.
 *
 * Plain functions: the caller keeps `largestBytes`, so an idle client costs no object here.
 */

/** How many of the largest messages have room in any case. */
export const LARGEST_COUNT = 4;

/** The number of bytes that may wait before the next write. */
export function unreadMaxBytes(maxBytes: number, largestBytes: number): number {
  return Math.max(maxBytes, LARGEST_COUNT * largestBytes);
}

/** The largest message after a write of `writtenBytes`. One write may hold several messages, so it counts as one at most. */
export function largestAfter(largestBytes: number, writtenBytes: number, messageMaxBytes: number): number {
  return Math.max(largestBytes, Math.min(writtenBytes, messageMaxBytes));
}
