/**
 * One SUBSCRIBE for all equal subscriptions of an application. Its id is the destination, the same in every browser,
 * which lets the relay make one frame for all of them.
 */
import { deferred } from './deadline.js';
import { Handover } from './handover.js';
import { guarded, Listeners } from './listeners.js';
import { Member } from './member.js';
import type { MemberOptions } from './member.js';
import type { Headers, LinkMessage, Origin } from './message.js';
import { RecentIds } from './recent-ids.js';
import { recoveredIn, Recovery, replayedIn } from './recovery.js';
import type { Attempt, Check, Gap } from './recovery.js';
import { closedError, notConnectedError, RelayError } from './relay-error.js';
import type { StompLink } from './stomp-link.js';
import type { SubscribeOptions, SubscriptionState } from './subscription.js';

/** Codes of refusals that may pass. */
const TRANSIENT =
  /-unavailable$|^(too-many-(channels|queues)|queue-in-use|subscription-ended|replay-interrupted|busy|timeout)$/;

/** Minimum pause before the next attempt; the maximum is twice as long. It doubles with each failure in a row. */
const RETRY_MS = 2_000;
const RETRY_MAX_MS = 8_000;
/** The same if the relay cannot serve the position yet. */
const BUSY_MS = 1_000;

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
  /** The newest SUBSCRIBE, until it fails or its link ends. */
  #attempt: Attempt | undefined;
  readonly #recovery: Recovery;
  readonly #recovers: boolean;
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
    { ack, headers, recover = true }: Pick<SubscribeOptions<never>, 'ack' | 'headers' | 'recover'>,
    onOver: () => void,
  ) {
    this.id = id;
    this.key = key;
    this.destination = destination;
    this.#onOver = onOver;
    this.#headers = { ...headers, ...(!key && ack && { ack }) };
    this.#recovers = recover && this.isBroadcast;
    this.#recovery = new Recovery(destination, this.#members);
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
  join(options: MemberOptions): () => void {
    const member = new Member(options, this.#recovery);
    this.#members.add(member);
    if (this.#attempt?.isUp) member.up();
    return () => {
      this.#members.delete(member);
      member.leave();
      this.#recovery.keep(); // the others may have all messages
      if (this.#members.size > 0) return;
      this.link?.unsubscribe(this.id);
      this.#end(closedError());
    };
  }

  /** Sets it up on `link`. Resolves when that is done or has failed. A failure that may pass is retried later. */
  async attach(link: StompLink): Promise<void> {
    this.link = link;
    clearTimeout(this.#retry);
    const { id, destination } = this;
    const since = this.#recovers && link.canRecover ? this.#recovery.since(link) : undefined;
    const attempt: Attempt = (this.#attempt = { since, isUp: false, received: 0 });
    try {
      await link.subscribe(
        { id, destination, headers: { ...this.#headers, ...(since && { 'relay-since': since }) } },
        (message) => this.#deliver(message, link, attempt),
        (receipt) => attempt === this.#attempt && this.#up(receipt, link, attempt),
      );
    } catch (error) {
      this.failed(error as RelayError, link);
    }
  }

  /** RECEIPT has arrived. */
  #up(receipt: Headers, link: StompLink, attempt: Attempt): void {
    const reason = receipt['relay-reason'];
    // a relay that is behind the position would bring the messages before it again
    if (reason === 'ahead' || (reason === 'busy' && !this.#failures)) {
      return this.failed(new RelayError('busy', 'The relay cannot replay messages yet.'), link);
    }
    attempt.isUp = true;
    const isInterrupted = this.#state.name === 'subscribing';
    const gap = this.#recovery.decide(attempt, receipt, isInterrupted && this.#hasBeenUp);
    if (gap || isInterrupted) {
      this.#become({
        name: 'subscribed',
        mayHaveMissed: !!gap,
        recovered: recoveredIn(receipt),
        replayed: replayedIn(receipt),
        gap: gap?.to ? gap : undefined,
      });
    }
    this.#hasBeenUp = true;
    this.#failures = 0;
    this.#ready.resolve();
    for (const member of [...this.#members]) member.up(gap);
  }

  /** A message of the relay about this subscription. */
  noticed(headers: Headers, link: StompLink): void {
    const { state } = this;
    const attempt = this.#attempt;
    const { destination, 'relay-position': to, 'relay-reason': reason = '' } = headers;
    if (link !== this.link && destination === '/relay/gap' && !attempt?.isUp) this.#recovery.stop();
    if (link !== this.link || !attempt?.isUp) return;
    if (destination === '/relay/check') {
      attempt.checked = { delivered: Number(headers['relay-delivered']), received: attempt.received };
    } else if (destination === '/relay/position') {
      if (!this.#recovery.isAhead) this.#recovery.advance(to);
    } else if (state.name !== 'subscribed') return;
    else if (destination === '/relay/caught-up') this.#become({ ...state, replayed: replayedIn(headers) });
    else if (destination === '/relay/gap') {
      if (this.#recovery.isAhead) {
        // an old link has brought a part of what is missing here: another verdict has the rest
        link.unsubscribe(this.id);
        return void this.attach(link);
      }
      const gap: Gap = { from: headers['from-position'], to, reason };
      this.#recovery.advance(to);
      this.#become({ ...state, mayHaveMissed: true, gap });
      for (const member of [...this.#members]) member.up(gap);
    }
  }

  async check(): Promise<Check> {
    const { link } = this;
    const attempt = this.#attempt;
    if (!link || !attempt?.isUp) throw notConnectedError();
    if (!attempt.since)
      throw new RelayError('not-offered', 'The relay does not count the messages of this subscription.');
    await link.ask('/relay/check', { 'for-subscription': this.id });
    return attempt.checked!; // the answer comes before the RECEIPT
  }

  /**
   * Sets it up on `next`. The link that `next` replaces may still bring messages for a while. With a position,
   * `next` brings everything after it, so the old link is needed only until then.
   */
  async move(next: StompLink): Promise<void> {
    const isExact = this.#recovers && this.#recovery.position && next.canRecover;
    this.#handover = isExact ? undefined : new Handover(next, (message, link) => this.#pass(message, link));
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
    this.link = this.#handover = this.#attempt = undefined;
    clearTimeout(this.#retry);
    this.#interrupted();
  }

  /** Rejects `ready`; a later link makes a new one resolve. */
  giveUp(reason: RelayError): void {
    this.#ready.reject(reason);
    this.#ready = deferred();
  }

  /** The relay refused it on `link`, or ended it there. */
  failed(error: RelayError, link: StompLink): void {
    if (error.code === 'connection-lost') return; // it is set up again on the next link
    if (this.link && this.link !== link) return; // the newer link reports its own failures
    if (!TRANSIENT.test(error.code)) return this.#refuse(error); // also if the link has ended by now
    if (!this.link) return;
    this.#attempt = undefined;
    this.#interrupted();
    this.#become({ name: 'subscribing', reason: error });
    link.unsubscribe(this.id);
    const isBusy = error.code === 'busy';
    const pauseMs = isBusy ? BUSY_MS : Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.#failures);
    this.#failures++;
    this.#retry = setTimeout(() => void this.attach(link), pauseMs * (1 + (isBusy ? 2 : 1) * Math.random()));
  }

  #refuse(error: RelayError): void {
    this.#end(error);
    for (const { options } of this.#members) guarded(() => options.onError(error));
    this.#become({ name: 'refused', error });
  }

  #end(reason: RelayError): void {
    clearTimeout(this.#retry);
    this.link = this.#attempt = undefined;
    this.#ready.reject(reason);
    this.#onOver();
  }

  #deliver(frame: LinkMessage, link: StompLink, attempt: Attempt): void {
    const current = this.#attempt;
    if (attempt === current && attempt.since && !attempt.isUp) return; // of an earlier SUBSCRIBE on this link
    attempt.received++;
    if (this.#handover) this.#handover.take(frame, link);
    else if (this.#recovery.admits(frame.headers, attempt, current)) this.#pass(frame, link);
  }

  #pass(frame: LinkMessage, link: Origin): void {
    if (!this.key || !this.#seen.has(frame.headers['idempotency-key'])) {
      const delivery = { frame, link };
      for (const member of [...this.#members]) member.take(delivery);
    }
    const position = frame.headers['relay-position'];
    if (position) this.#recovery.advance(position);
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
