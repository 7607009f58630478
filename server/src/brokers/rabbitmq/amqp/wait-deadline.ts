/** Every wait for the broker ends: with its result, or with a coded error. */
import { withDeadline } from '../../../timing/deadline.js';
import { BrokerError } from '../../broker.js';

/** Rejects with `broker-unavailable` at the deadline. `doing` completes "RabbitMQ ... within 30000 ms". */
export function answeredWithin<T>(work: Promise<T>, ms: number, doing: string): Promise<T> {
  return withDeadline(work, ms, () => late(ms, doing));
}

export function late(ms: number, doing: string): BrokerError {
  return new BrokerError('broker-unavailable', `RabbitMQ ${doing} within ${ms} ms: try again later.`);
}

export function stopping(): BrokerError {
  return new BrokerError('broker-unavailable', 'The relay is stopping: connect to another one.');
}

/** A promise and the functions that settle it. A rejection without a handler is no error. */
export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

/** Full jitter: relays that lost the same broker do not reconnect at the same moment. */
export function backoff(attempt: number, minMs: number, maxMs: number): number {
  return Math.random() * Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
}
