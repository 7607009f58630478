/**
 * Messages to publish, in order, until the broker has confirmed them. Without a link a message waits. If a link is lost
 * before the answer, the message is sent again: at least once, with the same `idempotency-key`, which lets receivers
 * recognise it.
 *
 * Two bounds apply: the number of messages, and the time for each.
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
  /** Waits if there is no link. */
  readonly waits: boolean;
  /** Sent again if it may not have arrived. */
  readonly repeats: boolean;
  /** Default: `publishMaxAgeMs`. */
  readonly maxAgeMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the link that it is sent on. */
  readonly onSent?: (link: StompLink) => void;
}

interface Entry extends Publishing, Deferred<void> {
  sentOn?: StompLink | undefined;
  /** Resolves when `sentOn` has answered, or never will. */
  answered?: Promise<void>;
}

export class Publisher {
  readonly #options: PublisherOptions;
  /** In the order of publishing: a Set keeps it. */
  readonly #entries = new Set<Entry>();
  #link: StompLink | undefined;
  /** Nothing is sent until `release`. */
  #isHeld = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves when the broker has confirmed the message. */
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

  /** Takes the new link and sends nothing until `release`. Resolves when no answer on another link is outstanding. */
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

  /** Messages that were sent may still be answered. */
  end(reason: RelayError): void {
    for (const entry of this.#entries) if (!entry.sentOn) entry.reject(reason);
  }

  #send(entry: Entry): void {
    const link = this.#link;
    if (!link || this.#isHeld || entry.sentOn || entry.signal?.aborted) return;
    entry.sentOn = link;
    entry.onSent?.(link);
    entry.answered = link.send(entry).then(entry.resolve, (error: RelayError) => {
      // `detach` decides about messages that a lost link left open
      if (error.code !== 'connection-lost') entry.reject(error);
    });
  }
}
