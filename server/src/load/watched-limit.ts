/** A limit as the metrics show it. */
export interface WatchedLimit {
  /** The name of the option. */
  readonly limit: string;
  readonly used: number;
  readonly allowed: number;
  /** Number of refusals; in the mode `report`, of those that would have been. */
  readonly refused: Readonly<Partial<Record<Bound, number>>>;
  /** Absent without shares. `used` is that of the largest account, which has `allowed` while more than half is in use. */
  readonly share?: { readonly used: number; readonly allowed: number } | undefined;
}

/** The reason of a refusal: the pot is full, or the account has its share. */
export type Bound = 'pot' | 'share';

/** 0 without values. */
export function largestOf(values: Iterable<number>): number {
  let largest = 0;
  for (const value of values) if (value > largest) largest = value;
  return largest;
}
