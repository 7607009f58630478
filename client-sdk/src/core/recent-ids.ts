/** The ids seen last. A message that a client repeats, because it missed the answer, is delivered once. */
const KEPT = 256;

export class RecentIds {
  readonly #ids = new Set<string>();

  /** Whether the id was seen before; records it. False for a message without an id. */
  has(id: string | undefined): boolean {
    if (id === undefined) return false;
    if (this.#ids.has(id)) return true;
    this.#ids.add(id);
    if (this.#ids.size > KEPT) this.#ids.delete(this.#ids.values().next().value!);
    return false;
  }
}
