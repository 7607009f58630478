/** Those who want to hear of something. One that throws does not keep the others from hearing it. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #newest: T | undefined;

  /** Returns a function that takes the listener off again. As with `addEventListener`, the same function is one listener. */
  add(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Where a listener brings about the next value, the others hear of that one alone: never of an older one after it. */
  tell(value: T): void {
    this.#newest = value;
    for (const listener of [...this.#listeners]) if (this.#newest === value) guarded(() => listener(value));
  }
}

/** Runs what belongs to the application: its exception is reported as any uncaught one, and stops nothing here. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
