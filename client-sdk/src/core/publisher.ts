/**
 * What is to be published, in order, until the broker has it: while there is no link it waits, and what a lost link left
 * unanswered is sent again (at least once; the `idempotency-key` is the same, so that receivers can tell).
 *
 * Bounded twice: so many messages at once, and each for so long.
 */
import { deferred, withDeadline } from './deadline.js';
import type { Deferred } from './deadline.js';
import type { Outgoing } from './message.js';
import { lostError, notConnectedError, RelayError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';

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
  /** Hears over which link it goes. */
  readonly onSent?: (link: StompLink) => void;
}

interface Entry extends Publishing, Deferred<void> {
  sentOn?: StompLink | undefined;
  /** Resolves when `sentOn` has answered, or will not. */
  answered?: Promise<void>;
}

export class Publisher {
  readonly #options: PublisherOptions;
  /** In the order of publishing: a Set keeps it. */
  readonly #entries = new Set<Entry>();
  #link: StompLink | undefined;
  /** Nothing is sent for the moment. */
  #isHeld = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves when the broker has it. */
  async publish(publishing: Publishing): Promise<void> {
    const { publishQueueMax, publishMaxAgeMs } = this.#options;
    const { signal, waits, maxAgeMs = publishMaxAgeMs } = publishing;
    if (!this.#link && !waits) throw notConnectedError();
    if (this.#entries.size >= publishQueueMax) {
      throw new RelayError('queue-full', `${publishQueueMax} messages wait already (publishQueueMax).`);
    }
    const entry: Entry = { ...publishing, ...deferred<void>() };
    this.#entries.add(entry);
    this.#send(entry);
    try {
      await withDeadline(entry.promise, maxAgeMs, 'Publishing', signal);
    } finally {
      this.#entries.delete(entry);
    }
  }

  /** There is a link, for which all waits until `release`. Resolves when no answer on another link is to come. */
  async hold(link: StompLink): Promise<void> {
    this.#link = link;
    this.#isHeld = true;
    await Promise.all([...this.#entries].map(async ({ answered }) => answered));
  }

  release(): void {
    this.#isHeld = false;
    for (const entry of this.#entries) this.#send(entry);
  }

  detach(link: StompLink): void {
    if (this.#link === link) this.#link = undefined;
    for (const entry of this.#entries) {
      const wasSent = entry.sentOn === link;
      if (wasSent) entry.sentOn = undefined;
      if (wasSent ? !entry.repeats : !entry.waits && !this.#link) entry.reject(lostError());
    }
  }

  /** What was sent may be answered yet. */
  end(reason: RelayError): void {
    for (const entry of this.#entries) if (!entry.sentOn) entry.reject(reason);
  }

  #send(entry: Entry): void {
    const link = this.#link;
    if (!link || this.#isHeld || entry.sentOn || entry.signal?.aborted) return;
    entry.sentOn = link;
    entry.onSent?.(link);
    entry.answered = link.send(entry).then(entry.resolve, (error: RelayError) => {
      // what the end of the link leaves open is decided in `detach`
      if (error.code !== 'connection-lost') entry.reject(error);
    });
  }
}
