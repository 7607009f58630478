/**
 * Samples of the persistent messages that a queue has settled last. A RabbitMQ that is killed forgets its latest
 * acks, and delivers such messages again without `redelivered`. Others are gone with it.
 */
const REMEMBERED_MAX = 4_096;

export class RecentlySettled {
  /** A Set keeps the order. */
  private readonly identities = new Set<string>();

  get size(): number {
    return this.identities.size;
  }

  has(identity: string): boolean {
    return this.identities.has(identity);
  }

  add(identity: string): void {
    this.identities.delete(identity);
    this.identities.add(identity);
    if (this.identities.size <= REMEMBERED_MAX) return;
    const [oldest] = this.identities;
    this.identities.delete(oldest!);
  }

  clear(): void {
    this.identities.clear();
  }
}
