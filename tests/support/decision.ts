/** A promise that the test settles. */
export class Decision<T = void> {
  readonly promise: Promise<T>;
  isSettled = false;
  isRefused = false;
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  grant(value: T): void {
    this.isSettled = true;
    this.#resolve(value);
  }

  refuse(error: Error): void {
    this.isSettled = true;
    this.isRefused = true;
    this.#reject(error);
  }
}
