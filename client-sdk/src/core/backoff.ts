/**
 * The pause after a number of failures in a row: random, below a bound that doubles with each failure ("full jitter").
 * Otherwise a thousand browsers that lost the same relay would come back at the same moment.
 */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  return Math.random() * Math.min(maxMs, minMs * 2 ** failures);
}
