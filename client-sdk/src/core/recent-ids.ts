/** The last ids that were seen: what a client sends again, because it did not hear the answer, is received once. */
const KEPT = 256;

export class RecentIds {
  readonly #ids = new Set<string>();

  /** Whether it was seen before; from now on it was. A message without an id never was. */
  has(id: string | undefined): boolean {
    if (id === undefined) return false;
    if (this.#ids.has(id)) return true;
    this.#ids.add(id);
    if (this.#ids.size > KEPT) this.#ids.delete(this.#ids.values().next().value!);
    return false;
  }
}
