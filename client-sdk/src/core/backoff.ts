/**
 * How long to wait after so many failures in a row: a random time below a bound that doubles with each ("full jitter"), so that
 * a thousand browsers that lost the same relay do not come back in the same moment.
 */
export function backoffMs(failures: number, minMs: number, maxMs: number): number {
  return Math.random() * Math.min(maxMs, minMs * 2 ** failures);
}
