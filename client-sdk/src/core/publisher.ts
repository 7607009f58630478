/**
 * What is to be published, in order, until the broker has it: while there is no link it waits, and what a lost link left
 * unanswered is sent again (at least once; the `idempotency-id` is the same, so that receivers can tell).
 *
 * Bounded twice: so many messages at once, and each for so long.
 */
import { deferred, withDeadline } from './deadline.js';
import type { Deferred } from './deadline.js';
import { lostError, notConnectedError, RelayError } from './relay-error.js';
import type { Outgoing, StompLink } from './stomp-link.js';

export interface PublisherOptions {
  readonly publishQueueMax: number;
  readonly publishMaxAgeMs: number;
}

export interface Publishing extends Outgoing {
  /** May wait for a link. */
  readonly waits: boolean;
  /** May be sent again where it is not known whether it arrived. */
  readonly repeats: boolean;
  /** Default: `publishMaxAgeMs`. */
  readonly maxAgeMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Entry extends Publishing, Deferred<StompLink> {
  sentOn: StompLink | undefined;
}

export class Publisher {
  readonly #options: PublisherOptions;
  /** In the order of publishing: a Set keeps it. */
  readonly #entries = new Set<Entry>();
  #link: StompLink | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves, when the broker has it, with the link that it went over. */
  async publish(publishing: Publishing): Promise<StompLink> {
    const { publishQueueMax, publishMaxAgeMs } = this.#options;
    const { signal, waits, maxAgeMs = publishMaxAgeMs } = publishing;
    if (!this.#link && !waits) throw notConnectedError();
    if (this.#entries.size >= publishQueueMax) {
      throw new RelayError('queue-full', `${publishQueueMax} messages wait already (publishQueueMax).`);
    }
    const entry: Entry = { ...publishing, ...deferred<StompLink>(), sentOn: undefined };
    this.#entries.add(entry);
    if (this.#link) this.#send(entry, this.#link);
    try {
      return await withDeadline(entry.promise, maxAgeMs, 'Publishing', signal);
    } finally {
      this.#entries.delete(entry);
    }
  }

  attach(link: StompLink): void {
    this.#link = link;
    for (const entry of this.#entries) if (!entry.sentOn) this.#send(entry, link);
  }

  /** What is published from now on waits; resolves when all that was sent is answered. */
  async hold(): Promise<void> {
    this.#link = undefined;
    await Promise.allSettled([...this.#entries].filter(({ sentOn }) => sentOn).map(({ promise }) => promise));
  }

  detach(link: StompLink): void {
    if (this.#link === link) this.#link = undefined;
    for (const entry of this.#entries) {
      if (entry.sentOn !== link) continue;
      entry.sentOn = undefined;
      if (!entry.repeats) entry.reject(lostError());
      else if (this.#link) this.#send(entry, this.#link);
    }
  }

  /** What was sent may be answered yet. */
  end(reason: RelayError): void {
    for (const entry of this.#entries) if (!entry.sentOn) entry.reject(reason);
  }

  #send(entry: Entry, link: StompLink): void {
    entry.sentOn = link;
    link.send(entry).then(
      () => entry.resolve(link),
      (error: RelayError) => {
        // what the end of the link leaves open is decided in `detach`
        if (error.code !== 'connection-lost') entry.reject(error);
      },
    );
  }
}
