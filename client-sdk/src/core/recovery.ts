/**
 * The position of a shared subscription in the relay's history of its destination. The relay continues there after a lost
 * connection. While a client has two links, ids show which of their messages are the same.
 */
import type { Headers } from './message.js';
import type { StompLink } from './stomp-link.js';

/** Nothing between the two positions was delivered. */
export interface Gap {
  /** Undefined where the relay gives no positions. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** A reason of the relay such as `too-old`, `not-recoverable`, or `too-many-waiting`: see README.md. */
  readonly reason: string;
}

/** The relay's count of messages and the client's, since the subscription was set up on this connection. */
export interface Check {
  readonly delivered: number;
  readonly received: number;
}

/** The parts of `sessionStorage` and `localStorage` that the client uses. */
export interface PositionStore {
  getItem(key: string): string | null;
  setItem(key: string, position: string): void;
}

/** One SUBSCRIBE on one link. */
export interface Attempt {
  /** The header `relay-since`: a position, or `now`. Undefined if the relay does not offer recovery. */
  readonly since: string | undefined;
  /** RECEIPT has arrived. */
  isUp: boolean;
  /** Messages since then. */
  received: number;
  checked?: Check;
}

/** A caller of the subscription. */
export interface Keeper {
  readonly isWaiting: boolean;
  readonly options: { readonly keep?: PositionStore | undefined };
}

/** Texts that can be a position: the storage belongs to all scripts of the page. */
const POSITION = /^[!-~]{1,80}$/;
/** Bound of the messages of an old link that are remembered until their copies come. */
const COPIES_MAX = 16_000;

export class Recovery {
  readonly #destination: string;
  readonly #members: ReadonlySet<Keeper>;
  /** Of the newest message. Undefined if the destination has no history. */
  position: string | undefined;
  #hasRead = false;
  /** In the storage. */
  #key = '';
  /**
   * The newest SUBSCRIBE that was answered: only its messages are delivered. A later one continues behind them, or has
   * reported them as missing.
   */
  #source: Attempt | undefined;
  /** Ids of its messages after the position that the newest SUBSCRIBE continues at. */
  readonly #copies = new Set<string>();

  constructor(destination: string, members: ReadonlySet<Keeper>) {
    this.#destination = destination;
    this.#members = members;
  }

  /** The header `relay-since` for a link that offers recovery. */
  since({ connected }: StompLink): string {
    this.#key = `relay-position ${connected['user-name'] ?? ''} ${this.#destination}`;
    if (!this.#hasRead) this.position = this.#read();
    this.#hasRead = true;
    this.#copies.clear();
    return this.position ?? 'now';
  }

  /** RECEIPT has arrived. Returns what is missing. `isReturn`: it was set up before. */
  decide(attempt: Attempt, receipt: Headers, isReturn: boolean): Gap | undefined {
    this.#source = attempt;
    const { since = 'now' } = attempt;
    const { position: from } = this;
    const { 'relay-position': to, 'relay-reason': reason = 'not-recoverable' } = receipt;
    if (recoveredIn(receipt)) {
      if (from === since) this.advance(to);
      return undefined;
    }
    this.advance(to);
    return isReturn || since !== 'now' ? { from, to, reason } : undefined;
  }

  /** Whether the message of `attempt` is to be delivered: not if it is a copy, or if a newer attempt was answered. */
  admits(headers: Headers, attempt: Attempt, current: Attempt | undefined): boolean {
    const { 'relay-position': position, 'message-id': id = '' } = headers;
    if (!position || !attempt.since) return true;
    if (attempt !== this.#source) return false;
    if (!current || attempt === current) return !this.#copies.delete(id);
    this.#copies.add(id);
    if (this.#copies.size > COPIES_MAX) this.#copies.delete(this.#copies.values().next().value!);
    return true;
  }

  /** The old link has left messages out. The next one continues before them. */
  stop(): void {
    this.#source = undefined;
  }

  /** The position is ahead of what the newest link has brought: copies of messages before it still come. */
  get isAhead(): boolean {
    return this.#copies.size > 0;
  }

  advance(position: string | undefined): void {
    this.position = position;
    this.keep();
  }

  /** Stores the position, unless messages up to it wait for a member. */
  keep(): void {
    const { position } = this;
    if (!position || [...this.#members].some(({ isWaiting }) => isWaiting)) return;
    for (const { options } of this.#members) {
      try {
        options.keep?.setItem(this.#key, position);
      } catch {
        // the storage is full
      }
    }
  }

  #read(): string | undefined {
    for (const { options } of this.#members) {
      try {
        const kept = options.keep?.getItem(this.#key);
        if (kept && POSITION.test(kept)) return kept;
      } catch {
        // the page may not use its storage
      }
    }
    return undefined;
  }
}

/** The relay's verdict about the position; undefined without one. */
export function recoveredIn(receipt: Headers): boolean | undefined {
  const recovered = receipt['relay-recovered'];
  return recovered === undefined ? undefined : recovered === 'true';
}

export function replayedIn(headers: Headers): number | undefined {
  const replayed = headers['relay-replayed'];
  return replayed === undefined ? undefined : Number(replayed);
}
