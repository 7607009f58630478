/**
 * While a subscription is live on two links at once, each message comes twice, in any interleaving. Every copy is matched with
 * one of the other link; what is left over came on one link only. Two equal messages in a row are two pairs, so that nothing
 * is taken for a repetition that is not one.
 */
import type { LinkMessage, Origin } from './message.js';

/** Beyond, the oldest are forgotten: a copy that comes so much later is delivered again. */
const KEPT = 1_000;

export class Overlap {
  /** The links that brought a message whose copies have not come yet: always the same link. */
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
