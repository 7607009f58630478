/**
 * The consumers of a queue, and the choice of the next one: round robin among those with the highest priority that can
 * take a message. With a single active consumer, the first consumer gets everything until it leaves, then the next one.
 */
import type { MemoryConsumer } from './memory-consumer.js';

export class ConsumerRing {
  /** Sorted by priority, highest first; among equals, the consumer that has waited longest comes first. */
  private readonly consumers: MemoryConsumer[] = [];
  private active: MemoryConsumer | undefined;

  constructor(private readonly singleActive: boolean) {}

  get size(): number {
    return this.consumers.length;
  }

  get hasExclusive(): boolean {
    return this.consumers[0]?.settings.exclusive ?? false;
  }

  add(consumer: MemoryConsumer): void {
    const { priority } = consumer.settings;
    const index = this.consumers.findIndex((other) => other.settings.priority < priority);
    this.consumers.splice(index < 0 ? this.consumers.length : index, 0, consumer);
    this.active ??= consumer;
  }

  delete(consumer: MemoryConsumer): void {
    const index = this.consumers.indexOf(consumer);
    if (index < 0) return;
    this.consumers.splice(index, 1);
    if (this.active === consumer) this.active = this.consumers[0];
  }

  /** The consumer for the next message; undefined if none can take one. */
  next(): MemoryConsumer | undefined {
    if (this.singleActive) return this.active?.canTake ? this.active : undefined;
    const consumer = this.consumers.find((each) => each.canTake);
    if (consumer && this.consumers.length > 1) {
      this.delete(consumer);
      this.add(consumer);
    }
    return consumer;
  }
}
