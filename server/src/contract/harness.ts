/** What the contract takes from a test runner: Jest fits, and `node:test` with the package `expect`. */
export interface TestHarness {
  readonly describe: (title: string, body: () => void) => unknown;
  /** Tests run one after the other, in the order in which they are registered. */
  readonly test: (title: string, body: () => Promise<void>, timeoutMs?: number) => unknown;
  readonly expect: Expect;
  /** Closes the broker where it is given. Otherwise a last test does, which must not be filtered out. */
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
