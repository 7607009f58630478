/**
 * The number of bytes that a client may leave unread: a fixed limit, or a few of its largest messages if that is more.
 * Without the second, several large messages in a row would end a session whose client reads. `messageMaxBytes` limits
 * their size.
 *
 * Plain functions: the caller keeps `largestBytes`, so an idle client costs no object here.
 */

/** The number of largest messages that always have room. */
export const LARGEST_COUNT = 4;

/** The number of bytes that may wait before the next write. */
export function unreadMaxBytes(maxBytes: number, largestBytes: number): number {
  return Math.max(maxBytes, LARGEST_COUNT * largestBytes);
}

/**
 * The largest message after a write of `writtenBytes`. A write may hold several messages, so it counts as one at most.
 */
export function largestAfter(largestBytes: number, writtenBytes: number, messageMaxBytes: number): number {
  return Math.max(largestBytes, Math.min(writtenBytes, messageMaxBytes));
}
