/**
 * While a subscription is live on two links, each message arrives twice, in any order. Each copy is matched with a copy
 * from the other link; a copy without a match arrived on one link only. Two equal messages in a row make two pairs, so
 * neither counts as a repetition of the other.
 */
import type { LinkMessage, Origin } from './message.js';

/**
 * Limit of unmatched messages. Beyond it the oldest are forgotten: a copy that comes so much later is delivered again.
 */
const KEPT = 1_000;

export class Overlap {
  /** By message: the link of each copy that has no match yet. All entries of a list are the same link. */
  readonly #unmatched = new Map<string, Origin[]>();

  isRepeated({ headers, body }: LinkMessage, link: Origin): boolean {
    const key = `${headers['destination']}\n${headers['idempotency-key']}\n${body}`;
    const links = this.#unmatched.get(key) ?? [];
    this.#unmatched.delete(key);
    const isRepeated = links.some((each) => each !== link);
    if (isRepeated) links.pop();
    else links.push(link);
    if (links[0]) this.#unmatched.set(key, links);
    if (this.#unmatched.size > KEPT) this.#unmatched.delete(this.#unmatched.keys().next().value!);
    return isRepeated;
  }
}
