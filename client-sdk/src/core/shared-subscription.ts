/**
 * One SUBSCRIBE for all equal subscriptions of an application. Its id is the destination, the same in every browser,
 * which lets the relay make one frame for all of them.
 */
import { deferred } from './deadline.js';
import { Handover } from './handover.js';
import { guarded, Listeners } from './listeners.js';
import { decodeByType, ReceivedMessage } from './message.js';
import type { Decode, Headers, LinkMessage, Message, Origin } from './message.js';
import { RecentIds } from './recent-ids.js';
import { closedError } from './relay-error.js';
import type { RelayError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';
import type { SubscribeOptions, SubscriptionState } from './subscription.js';

/** One subscriber of those that share it. */
export interface Member {
  readonly decode: Decode<unknown> | undefined;
  readonly onMessage: (message: Message<unknown>) => void;
  readonly onError: (error: RelayError) => void;
}

/** Codes of refusals that may pass. */
const TRANSIENT = /-unavailable$|^too-many-(channels|queues)$|^queue-in-use$|^subscription-ended$|^timeout$/;

/** Minimum pause before the next attempt; the maximum is twice as long. It doubles with each failure in a row. */
const RETRY_MS = 2_000;
const RETRY_MAX_MS = 8_000;

export class SharedSubscription {
  readonly id: string;
  /** Subscriptions with the same key share one SUBSCRIBE. Undefined if every message must be acknowledged once. */
  readonly key: string | undefined;
  readonly destination: string;
  readonly #members = new Set<Member>();
  readonly #onOver: () => void;
  readonly #listeners = new Listeners<SubscriptionState>();
  readonly #headers: Headers;
  readonly #seen = new RecentIds();
  #state: SubscriptionState = { name: 'subscribing' };
  /** The newest link that it was set up on. */
  link: StompLink | undefined;
  #ready = deferred<void>();
  /** From a move until no copy can come any more. */
  #handover: Handover | undefined;
  #hasBeenUp = false;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Refusals in a row that may pass. */
  #failures = 0;

  /** @param onOver called when it is refused, or when its last member leaves */
  constructor(
    id: string,
    key: string | undefined,
    destination: string,
    { ack, headers }: Pick<SubscribeOptions<never>, 'ack' | 'headers'>,
    onOver: () => void,
  ) {
    this.id = id;
    this.key = key;
    this.destination = destination;
    this.#onOver = onOver;
    this.#headers = { ...headers, ...(!key && ack && { ack }) };
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get state(): SubscriptionState {
    return this.#state;
  }

  /**
   * Every subscriber gets every message, so two links bring each message twice. Otherwise subscribers share a queue's
   * messages.
   */
  get isBroadcast(): boolean {
    const isQueue = /^\/(amq\/)?queue\//.test(this.destination);
    return !isQueue && Object.keys(this.#headers).length === 0;
  }

  onState(listener: (state: SubscriptionState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /** Returns a function that removes the member. Without members the subscription ends. */
  join(member: Member): () => void {
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
      if (this.#members.size > 0) return;
      this.link?.unsubscribe(this.id);
      this.#end(closedError());
    };
  }

  /** Sets it up on `link`. Resolves when that is done or has failed. A failure that may pass is retried later. */
  async attach(link: StompLink): Promise<void> {
    this.link = link;
    clearTimeout(this.#retry);
    try {
      await link.subscribe(this.id, this.destination, this.#headers, (message) => this.#deliver(message, link));
      if (this.link !== link) return;
      if (this.#state.name === 'subscribing') this.#become({ name: 'subscribed', mayHaveMissed: this.#hasBeenUp });
      this.#hasBeenUp = true;
      this.#failures = 0;
      this.#ready.resolve();
    } catch (error) {
      this.failed(error as RelayError, link);
    }
  }

  /** Sets it up on `next`. The link that `next` replaces may still bring messages for a while. */
  async move(next: StompLink): Promise<void> {
    this.#handover = new Handover(next, (message, link) => this.#pass(message, link));
    await this.attach(next);
  }

  /** The old link has brought everything that the next one does not bring. */
  leave(old: StompLink): void {
    old.unsubscribe(this.id);
    this.#handover?.release();
  }

  /** `link` has brought the last copy of a message of an earlier link. */
  settle(link: StompLink): void {
    if (this.link === link) this.#handover = undefined;
  }

  detach(link: StompLink): void {
    this.#handover?.release();
    if (this.link !== link) return;
    this.link = this.#handover = undefined;
    clearTimeout(this.#retry);
    this.#interrupted();
  }

  /** Rejects `ready`; a later link makes a new one resolve. */
  giveUp(reason: RelayError): void {
    this.#ready.reject(reason);
    this.#ready = deferred();
  }

  /** The relay refused it on `link`, or ended it there. */
  failed(error: RelayError, link = this.link): void {
    if (error.code === 'connection-lost') return; // it is set up again on the next link
    if (this.link && this.link !== link) return; // the newer link reports its own failures
    if (!TRANSIENT.test(error.code)) return this.#refuse(error); // also if the link has ended by now
    if (!link || !this.link) return;
    this.#interrupted();
    this.#become({ name: 'subscribing', reason: error });
    link.unsubscribe(this.id);
    const pauseMs = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.#failures++);
    this.#retry = setTimeout(() => void this.attach(link), pauseMs * (1 + Math.random()));
  }

  #refuse(error: RelayError): void {
    this.#end(error);
    for (const { onError } of this.#members) guarded(() => onError(error));
    this.#become({ name: 'refused', error });
  }

  #end(reason: RelayError): void {
    clearTimeout(this.#retry);
    this.link = undefined;
    this.#ready.reject(reason);
    this.#onOver();
  }

  #deliver(frame: LinkMessage, link: StompLink): void {
    if (this.#handover) this.#handover.take(frame, link);
    else this.#pass(frame, link);
  }

  #pass(frame: LinkMessage, link: Origin): void {
    if (this.key && this.#seen.has(frame.headers['idempotency-key'])) return;
    let decoded: ReceivedMessage<unknown> | undefined;
    for (const member of [...this.#members]) {
      try {
        const { decode } = member;
        const message = decode
          ? new ReceivedMessage(frame, link, decode)
          : (decoded ??= new ReceivedMessage(frame, link, decodeByType));
        guarded(() => member.onMessage(message));
      } catch (error) {
        guarded(() => member.onError(error as RelayError));
      }
    }
  }

  #interrupted(): void {
    if (this.#state.name !== 'subscribed') return;
    this.#ready = deferred();
    this.#become({ name: 'subscribing' });
  }

  #become(state: SubscriptionState): void {
    this.#state = state;
    this.#listeners.notify(state);
  }
}
