/** Waits for what belongs to the application: its authenticator and its policy. */
import type { StompError } from '../stomp/errors.js';

/** Rejects with `error` when `promise` has not settled in time. What it does later is of no consequence. */
export function withDeadline<T>(promise: Promise<T>, ms: number, error: () => StompError): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(error()), ms);
    timer.unref();
  });
  return Promise.race([promise, deadline]).finally(() => clearTimeout(timer));
}

/** The cause of such an error. */
export function noAnswer(ms: number): Error {
  return new Error(`no answer within connectTimeoutMs (${ms} ms)`);
}
