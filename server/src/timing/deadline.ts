/** Rejects with the error of `late` if `work` has not settled within `ms`. A later outcome of `work` has no effect. */
export function withDeadline<T>(work: T | Promise<T>, ms: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    const settled = <U>(settle: (outcome: U) => void): ((outcome: U) => void) => {
      return (outcome) => {
        clearTimeout(timer);
        settle(outcome);
      };
    };
    Promise.resolve(work).then(settled(resolve), settled(reject));
  });
}

/** False if `work` has not settled within `ms`. Rejects if `work` rejects. */
export function finishesWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  const timeIsUp = new Error('time is up');
  return withDeadline(work, ms, () => timeIsUp).then(
    () => true,
    (error: unknown) => {
      if (error === timeIsUp) return false;
      throw error;
    },
  );
}
