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

/** `timeoutMs` (default 10,000), `headers` and `decode` as for `client.request`; those of the last render count. */
export type UseRequestOptions<T> = Omit<RequestOptions<T>, 'signal'>;

type Destination<D> = Declared<D> | Undeclared<D>;

interface Answer<T> {
  /** The answer's data; undefined while there is none, and from the next question on. */
  readonly data: T | undefined;
  /** Why there is no answer. */
  readonly error: RelayError | undefined;
  readonly isPending: boolean;
}

export interface RequestResult<T> extends Answer<T> {
  /**
   * Asks, and forgets what was asked before. Resolves with the answer, rejects with a RelayError (`aborted` when another
   * question, `reset` or the unmount came first); nobody needs to listen, as `data` and `error` say it too.
   */
  readonly request: (data: unknown) => Promise<Message<T>>;
  /** Aborts what is asked, and forgets the answer. */
  readonly reset: () => void;
}

const NOTHING = { data: undefined, error: undefined, isPending: false };

/** Asks a service and shows its answer: one question at a time, aborted when the component is unmounted. */
export function useRequest<T = unknown>(
  destination: Destination<RegisteredDestinations>,
  options: UseRequestOptions<T> = {},
): RequestResult<T> {
  const client = useClient<object>();
  const newest = useNewest(options);
  const asked = useMemo((): Asked => ({}), [client, destination]);
  const [{ by, ...answer }, show] = useState<Answer<T> & { readonly by?: Asked }>(NOTHING);

  const reset = useCallback(() => {
    asked.question?.abort();
    asked.question = undefined;
    show(NOTHING);
  }, [asked]);
  const request = useCallback(
    (data: unknown): Promise<Message<T>> => {
      asked.question?.abort();
      const question = (asked.question = new AbortController());
      const settled = (result: Partial<Answer<T>>): void => {
        if (asked.question !== question) return;
        asked.question = undefined;
        show({ ...NOTHING, ...result, by: asked });
      };
      show({ ...NOTHING, isPending: true, by: asked });
      const answered = client.request<T>(destination, data, { ...newest.current, signal: question.signal });
      answered.then(
        (message) => settled({ data: message.data }),
        (error: RelayError) => settled({ error }),
      );
      return answered;
    },
    [client, destination, asked, newest],
  );
  useEffect(() => () => (asked.question ? reset() : undefined), [asked, reset]);
  return { request, reset, ...(by === asked ? answer : NOTHING) };
}

/** The open question to one destination; where there is another destination, there is another one of these. */
interface Asked {
  question?: AbortController | undefined;
}
