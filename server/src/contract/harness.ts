/**
 * The functions that the contract needs from a test runner. Jest has them; `node:test` has them with the package
 * `expect`.
 */
export interface TestHarness {
  readonly describe: (title: string, body: () => void) => unknown;
  /** The runner must run tests one after the other, in the order of registration. */
  readonly test: (title: string, body: () => Promise<void>, timeoutMs?: number) => unknown;
  readonly expect: Expect;
  /** Closes the broker, if present. Otherwise a last test does, which must not be filtered out. */
  readonly afterAll?: (action: () => Promise<void>, timeoutMs?: number) => unknown;
}

export interface Expect {
  (actual: unknown): Expectation;
  objectContaining(expected: Record<string, unknown>): unknown;
  stringContaining(expected: string): unknown;
}

export interface Expectation extends Matchers<void> {
  readonly not: Matchers<void>;
  readonly rejects: Matchers<Promise<void>>;
}

interface Matchers<Result> {
  toBe(expected: unknown): Result;
  toBeUndefined(): Result;
  toEqual(expected: unknown): Result;
  toHaveLength(expected: number): Result;
  toMatch(expected: RegExp): Result;
  toMatchObject(expected: Record<string, unknown>): Result;
  toThrow(expected: unknown): Result;
}
