import { RelayError } from './relay-error.js';

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A promise that somebody else settles. */
export function deferred<T>(): Deferred<T> {
  let settle!: Omit<Deferred<T>, 'promise'>;
  const promise = new Promise<T>((resolve, reject) => (settle = { resolve, reject }));
  promise.catch(() => {}); // not to be told of as unhandled where nobody waits for it
  return { promise, ...settle };
}

/** What `promise` says, or a RelayError: `timeout` if it has said nothing after `ms`, `aborted` if `signal` says so first. */
export async function withDeadline<T>(
  promise: T | PromiseLike<T>,
  ms: number,
  what: string,
  signal?: AbortSignal,
): Promise<T> {
  const { promise: tooLate, reject } = deferred<never>();
  const abort = (): void => reject(new RelayError('aborted', 'It was aborted.'));
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
