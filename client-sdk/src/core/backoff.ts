/**
 * How long to wait before the next attempt: a random time below a bound that doubles with each failure ("full jitter"),
 * so that a thousand browsers that lost the same relay do not come back in the same moment.
 */
export class Backoff {
  readonly #minMs: number;
  readonly #maxMs: number;
  /** In a row, up to now. */
  failures = 0;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
  }

  /** @param least as if so many attempts had failed already: for a relay that says it is too busy */
  nextMs(least = 0): number {
    this.failures = Math.max(this.failures, least);
    return Math.random() * Math.min(this.#maxMs, this.#minMs * 2 ** this.failures++);
  }
}
