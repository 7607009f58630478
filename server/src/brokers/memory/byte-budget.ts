/** Counts the bytes of memory that the messages of all queues take. */
export class ByteBudget {
  private used = 0;

  constructor(readonly max: number) {}

  canTake(bytes: number): boolean {
    return this.used + bytes <= this.max;
  }

  take(bytes: number): void {
    this.used += bytes;
  }

  release(bytes: number): void {
    this.used -= bytes;
  }
}
