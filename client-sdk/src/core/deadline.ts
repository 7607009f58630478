import { RelayError } from './relay-error.js';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A promise that its owner settles. */
export function deferred<T>(): Deferred<T> {
  let settle!: Omit<Deferred<T>, 'promise'>;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  promise.catch(() => {}); // no unhandled rejection if no caller awaits it
  return { promise, ...settle };
}

/** The result of `promise`, or a RelayError: `timeout` after `ms`, `aborted` if `signal` aborts first. */
export async function withDeadline<T>(
  promise: T | PromiseLike<T>,
  ms: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  const { promise: tooLate, reject } = deferred<never>();
  const abort = (): void => reject(new RelayError('aborted', 'The request was aborted.'));
  const timer = setTimeout(() => reject(new RelayError('timeout', `${what} took more than ${ms} ms.`)), ms);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    return await Promise.race([tooLate, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}
