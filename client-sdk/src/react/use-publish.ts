import { useCallback, useState } from 'react';
import type { Declared, PublishOptions, RegisteredDestinations, RelayError, Undeclared } from '../core/index.js';
import { useClient } from './relay-provider.js';

export interface PublishResult<P> {
  /**
   * Resolves when the broker has confirmed the message; rejects with a RelayError. The promise may be ignored, because
   * `error` reports the failure too. The same function until the destination or the client changes.
   */
  readonly publish: P;
  /** A message that was published here is not confirmed yet. */
  readonly isPublishing: boolean;
  /** The error of the last publish that failed. The next publish clears it. */
  readonly error: RelayError | undefined;
}

type Publish<T> = (data: T, options?: PublishOptions) => Promise<void>;
interface PublishTo {
  <K extends Declared<RegisteredDestinations>>(
    destination: K,
    data: RegisteredDestinations[K],
    options?: PublishOptions,
  ): Promise<void>;
  (destination: Undeclared<RegisteredDestinations>, data: unknown, options?: PublishOptions): Promise<void>;
}

/**
 * Publishes to the given destination with `publish(data, options)`, or without one to any destination with
 * `publish(destination, data, options)`. A publish continues after the component is unmounted.
 */
export function usePublish(): PublishResult<PublishTo>;
export function usePublish<K extends Declared<RegisteredDestinations>>(
  destination: K,
): PublishResult<Publish<RegisteredDestinations[K]>>;
export function usePublish<T = unknown>(destination: Undeclared<RegisteredDestinations>): PublishResult<Publish<T>>;
export function usePublish(destination?: string): PublishResult<(...args: never[]) => Promise<void>> {
  const client = useClient<object>();
  const [{ pending, error }, setStatus] = useState<{ pending: number; error?: RelayError | undefined }>({ pending: 0 });
  const publish = useCallback(
    (...args: unknown[]): Promise<void> => {
      const [to, data, options] = destination === undefined ? args : [destination, ...args];
      setStatus(({ pending }) => ({ pending: pending + 1 }));
      const settled = (failed?: RelayError): void =>
        setStatus(({ pending, error }) => ({ pending: pending - 1, error: failed ?? error }));
      const published = client.publish(to as string, data, options as PublishOptions | undefined);
      published.then(() => settled(), settled);
      return published;
    },
    [client, destination],
  );
  return { publish, isPublishing: pending > 0, error };
}
