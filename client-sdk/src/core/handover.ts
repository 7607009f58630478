/**
 * A subscription that is live on two links, while its client moves from the old one to the next. Both bring the same
 * messages, and either may be the faster one. Messages of the next link are held until the old one has brought its last,
 * which keeps the order.
 *
 * Each copy is matched with a copy from the other link; a copy without a match arrived on one link only. Two equal
 * messages in a row make two pairs, so neither counts as a repetition of the other.
 */
import type { LinkMessage, Origin } from './message.js';

/**
 * Bound of the held messages, and of those without a match, in characters. Beyond it the held messages are delivered
 * while the old link still brings some, perhaps out of order; and the oldest without a match are forgotten, so a copy
 * that comes so much later is delivered again.
 */
const KEPT_MAX = 8_000_000;
/** Assumed for a message in addition to its body or key: at most 16,000 messages are held. */
const OVERHEAD = 500;

/** Headers that differ between two relays. */
const OF_RELAY = /^(message-id|subscription|ack|relay-.*)$/;

export class Handover {
  readonly #next: Origin;
  readonly #deliver: (message: LinkMessage, link: Origin) => void;
  #held: LinkMessage[] | undefined = [];
  #heldSize = 0;
  /** By message: the number of copies without a match, below 0 for those of the old link. */
  readonly #surplus = new Map<string, number>();
  #surplusSize = 0;

  constructor(next: Origin, deliver: (message: LinkMessage, link: Origin) => void) {
    this.#next = next;
    this.#deliver = deliver;
  }

  /** Delivers the message, now or later, unless it is a copy. */
  take(message: LinkMessage, link: Origin): void {
    if (this.#held && link === this.#next) {
      this.#held.push(message);
      this.#heldSize += message.body.length + OVERHEAD;
      if (this.#heldSize > KEPT_MAX) this.release();
    } else if (!this.#isCopy(message, link)) this.#deliver(message, link);
  }

  /** Delivers what is held, and holds nothing more. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.take(message, this.#next);
  }

  #isCopy({ headers, body }: LinkMessage, link: Origin): boolean {
    const named = Object.entries(headers).filter(([name]) => !OF_RELAY.test(name));
    const key = JSON.stringify([named.sort(), body]);
    const side = link === this.#next ? 1 : -1;
    const surplus = this.#surplus.get(key) ?? 0;
    const isCopy = surplus * side < 0;
    this.#surplus.delete(key);
    if (surplus + side) this.#surplus.set(key, surplus + side);
    this.#surplusSize += (isCopy ? -1 : 1) * (key.length + OVERHEAD);
    for (const [oldest, count] of this.#surplus) {
      if (this.#surplusSize <= KEPT_MAX) break;
      this.#surplus.delete(oldest);
      this.#surplusSize -= Math.abs(count) * (oldest.length + OVERHEAD);
    }
    return isCopy;
  }
}
