import { useCallback, useEffect, useMemo, useState } from 'react';
import type {
  Declared,
  Message,
  RegisteredDestinations,
  RelayError,
  RequestOptions,
  Undeclared,
} from '../core/index.js';
import { useClient } from './relay-provider.js';
import { useNewest } from './use-newest.js';

/**
 * `timeoutMs` (default 10,000), `headers` and `decode` as for `client.request`. The values of the last render apply.
 */
export type UseRequestOptions<T> = Omit<RequestOptions<T>, 'signal'>;

type Destination<D> = Declared<D> | Undeclared<D>;

interface Answer<T> {
  /** The answer's data. Undefined until it arrives, and again from the next request on. */
  readonly data: T | undefined;
  /** Why the request failed. */
  readonly error: RelayError | undefined;
  readonly isPending: boolean;
}

export interface RequestResult<T> extends Answer<T> {
  /**
   * Sends a request and aborts the one before. Resolves with the answer; rejects with a RelayError (`aborted` after
   * another request, `reset` or the unmount). The promise may be ignored, because `data` and `error` report the outcome
   * too.
   */
  readonly request: (data: unknown) => Promise<Message<T>>;
  /** Aborts the open request and clears the answer. */
  readonly reset: () => void;
}

const NOTHING = { data: undefined, error: undefined, isPending: false };

/**
 * Sends requests to a service and shows the answer. One request at a time; it is aborted when the component is
 * unmounted.
 */
export function useRequest<T = unknown>(
  destination: Destination<RegisteredDestinations>,
  options: UseRequestOptions<T> = {},
): RequestResult<T> {
  const client = useClient<object>();
  const newest = useNewest(options);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- a new one for each client and destination
  const open = useMemo((): OpenRequest => ({}), [client, destination]);
  const [{ by, ...answer }, show] = useState<Answer<T> & { readonly by?: OpenRequest }>(NOTHING);

  const reset = useCallback(() => {
    open.controller?.abort();
    open.controller = undefined;
    show(NOTHING);
  }, [open]);
  const request = useCallback(
    (data: unknown): Promise<Message<T>> => {
      open.controller?.abort();
      const controller = (open.controller = new AbortController());
      const settled = (result: Partial<Answer<T>>): void => {
        if (open.controller !== controller) return;
        open.controller = undefined;
        show({ ...NOTHING, ...result, by: open });
      };
      show({ ...NOTHING, isPending: true, by: open });
      const answered = client.request<T>(destination, data, { ...newest.current, signal: controller.signal });
      answered.then(
        (message) => settled({ data: message.data }),
        (error: RelayError) => settled({ error }),
      );
      return answered;
    },
    [client, destination, open, newest],
  );
  useEffect(() => () => (open.controller ? reset() : undefined), [open, reset]);
  return { request, reset, ...(by === open ? answer : NOTHING) };
}

/** The open request to one destination. Another destination has another object. */
interface OpenRequest {
  controller?: AbortController | undefined;
}
