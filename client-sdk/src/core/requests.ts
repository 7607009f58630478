/**
 * Requests and their answers. All answers of a session arrive in one temporary queue that the relay makes for it. The
 * service copies the header `correlation-id` into its answer, which identifies the request.
 */
import { deferred, withDeadline } from './deadline.js';
import type { Deferred } from './deadline.js';
import { decodeByType, encode, ReceivedMessage } from './message.js';
import type { Decode, Headers, LinkMessage, Message } from './message.js';
import type { Publisher } from './publisher.js';
import { lostError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';

export interface RequestOptions<T> {
  /** Time limit for the request, including the wait for a connection. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly headers?: Headers | undefined;
  /** Default: by content-type, see `decodeByType`. */
  readonly decode?: Decode<T> | undefined;
}

interface Pending extends Deferred<ReceivedMessage<unknown>> {
  readonly decode: Decode<unknown>;
  /** The link that the request was sent on. The answer comes on it too. */
  link?: StompLink;
}

export class Requests {
  readonly #publisher: Publisher;
  /** By correlation-id. */
  readonly #pending = new Map<string | undefined, Pending>();

  constructor(publisher: Publisher) {
    this.#publisher = publisher;
  }

  async request(
    id: string,
    destination: string,
    data: unknown,
    { timeoutMs = 10_000, signal, headers, decode = decodeByType }: RequestOptions<unknown>,
  ): Promise<Message> {
    const content = encode(data);
    const pending: Pending = { ...deferred<ReceivedMessage<unknown>>(), decode };
    this.#pending.set(id, pending);
    this.#publisher
      .publish({
        destination,
        content,
        headers: { ...headers, 'reply-to': '/temp-queue/replies', 'correlation-id': id },
        waits: true,
        repeats: false,
        maxAgeMs: timeoutMs,
        signal,
        onSent: (link) => (pending.link = link),
      })
      .catch(pending.reject);
    try {
      return await withDeadline(pending.promise, timeoutMs, `The answer from ${destination}`, signal);
    } finally {
      pending.reject(undefined); // `settled` does not wait for abandoned requests
      this.#pending.delete(id);
    }
  }

  /** Handles a message from the session's temporary queue. Its request may have been given up. */
  answer(message: LinkMessage, link: StompLink): void {
    const pending = this.#pending.get(message.headers['correlation-id']);
    try {
      pending?.resolve(new ReceivedMessage(message, link, pending.decode));
    } catch (error) {
      pending?.reject(error);
    }
  }

  /** Resolves when every request on this link is answered or given up. */
  async settled(link: StompLink): Promise<void> {
    await Promise.allSettled(
      [...this.#pending.values()].filter((each) => each.link === link).map(({ promise }) => promise),
    );
  }

  /** Fails open requests: their answers go to the temporary queue of a session that has ended. */
  detach(link: StompLink): void {
    for (const pending of this.#pending.values()) if (pending.link === link) pending.reject(lostError());
  }
}
