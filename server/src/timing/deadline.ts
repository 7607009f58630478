/** Waits for what belongs to the application: its authenticator and its policy. */

/** Rejects when `answer` has not come in time. What it does later is of no consequence. */
export function withDeadline<T>(answer: T | Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer within connectTimeoutMs (${ms} ms)`)), ms).unref();
    const settled = <U>(settle: (outcome: U) => void): ((outcome: U) => void) => {
      return (outcome) => {
        clearTimeout(timer);
        settle(outcome);
      };
    };
    Promise.resolve(answer).then(settled(resolve), settled(reject));
  });
}
