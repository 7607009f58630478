/** A set of listeners. If one throws, the others are still called. */
export class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();
  #newest: T | undefined;

  /** Returns a function that removes the listener. As with `addEventListener`, the same function is added only once. */
  add(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** If a listener causes the next value, the others get only that one, never an older one after it. */
  notify(value: T): void {
    this.#newest = value;
    for (const listener of [...this.#listeners]) if (this.#newest === value) guarded(() => listener(value));
  }
}

/** Runs a callback of the application. Its exception is reported as uncaught, and does not stop the client. */
export function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    setTimeout(() => {
      throw error;
    });
  }
}
