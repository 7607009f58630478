/** One caller of those that share a subscription. Its messages wait while its `load` runs, and follow in order. */
import { guarded } from './listeners.js';
import type { Decode, LinkMessage, Message, Origin } from './message.js';
import { decodeByType, ReceivedMessage } from './message.js';
import type { Gap, PositionStore, Recovery } from './recovery.js';
import { asRelayError } from './relay-error.js';
import type { RelayError } from './relay-error.js';

export interface MemberOptions {
  readonly decode?: Decode<unknown> | undefined;
  readonly onMessage: (message: Message<unknown>) => void;
  readonly onError: (error: RelayError) => void;
  readonly load?: (() => unknown) | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
  readonly keep?: PositionStore | undefined;
}

/** A frame for all members. Members without a decoder share the decoded message. */
export interface Delivery {
  readonly frame: LinkMessage;
  readonly link: Origin;
  decoded?: ReceivedMessage<unknown>;
}

/** Bound of the messages that wait for a member. */
const WAITING_MAX = 1_000;

export class Member {
  readonly options: MemberOptions;
  readonly #recovery: Recovery;
  /** While `load` runs. */
  #waiting: Delivery[] | undefined;
  /** `load` has to be called, or called again. */
  #isDue = true;
  /** When `load` was called. */
  #since: string | undefined;
  /** Messages that were dropped because too many waited. */
  #dropped: Gap | undefined;

  constructor(options: MemberOptions, recovery: Recovery) {
    this.options = options;
    this.#recovery = recovery;
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  take(delivery: Delivery): void {
    if (!this.#waiting) return this.#deliver(delivery);
    this.#waiting.push(delivery);
    if (this.#waiting.length <= WAITING_MAX) return;
    const to = this.#waiting.shift()!.frame.headers['relay-position'];
    this.#dropped = { from: this.#since, to, reason: 'too-many-waiting' };
  }

  /** The subscription is live. `gap`: the messages that it missed. */
  up(gap?: Gap): void {
    const { load, onGap } = this.options;
    if (gap) {
      this.#isDue = true;
      if (onGap) guarded(() => onGap(gap));
    }
    if (load && this.#isDue && !this.#waiting) void this.#load(load);
  }

  leave(): void {
    this.#isDue = false;
    this.#waiting = undefined;
  }

  async #load(load: () => unknown): Promise<void> {
    const waiting: Delivery[] = (this.#waiting = []);
    this.#isDue = false;
    this.#since = this.#recovery.position;
    try {
      await Promise.resolve().then(load);
    } catch (error) {
      guarded(() => this.options.onError(asRelayError(error, 'load-failed')));
    }
    while (this.#waiting && waiting.length > 0) this.#deliver(waiting.shift()!);
    if (!this.#waiting) return; // it has left
    const dropped = this.#dropped;
    this.#waiting = this.#dropped = undefined;
    this.#recovery.keep();
    if (dropped || this.#isDue) this.up(dropped);
  }

  #deliver(delivery: Delivery): void {
    const { decode, onMessage, onError } = this.options;
    const { frame, link } = delivery;
    try {
      const message = decode
        ? new ReceivedMessage(frame, link, decode)
        : (delivery.decoded ??= new ReceivedMessage(frame, link, decodeByType));
      guarded(() => onMessage(message));
    } catch (error) {
      guarded(() => onError(error as RelayError));
    }
  }
}
