import { withDeadline } from '../timing/deadline.js';

/** Waits for the application's authenticator or policy, for `connectTimeoutMs`. */
export function answeredInTime<T>(answer: T | Promise<T>, connectTimeoutMs: number): Promise<T> {
  return withDeadline(
    answer,
    connectTimeoutMs,
    () => new Error(`no answer within connectTimeoutMs (${connectTimeoutMs} ms)`),
  );
}
