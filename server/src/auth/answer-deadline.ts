import { withDeadline } from '../timing/deadline.js';

/** Waits at most `connectTimeoutMs` for the answer of an authenticator or a policy. */
export function answeredInTime<T>(answer: T | Promise<T>, connectTimeoutMs: number): Promise<T> {
  return withDeadline(
    answer,
    connectTimeoutMs,
    () => new Error(`no answer within session.connectTimeoutMs (${connectTimeoutMs} ms)`),
  );
}
