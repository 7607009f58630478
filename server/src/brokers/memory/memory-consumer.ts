/** A consumer of a queue, with its unsettled deliveries. */
import type { Consumer, Delivery, Outcome, RoutedMessage, Settlement } from '../broker.js';
import type { StoredMessage } from './stored-message.js';

export interface ConsumerSettings {
  /** The maximum number of unsettled deliveries. */
  readonly prefetch: number;
  readonly priority: number;
  /** The consumer must be the only one of its queue. */
  readonly exclusive: boolean;
}

/** The part of a queue that its consumers use. */
export interface DeliverySource {
  settle(stored: StoredMessage, outcome: Outcome): void;
  /** Unsettled deliveries stay with the consumer. */
  removeConsumer(consumer: MemoryConsumer): void;
}

export class MemoryConsumer {
  private readonly unsettled = new Set<MemoryDelivery>();

  constructor(
    readonly queue: DeliverySource,
    readonly settings: ConsumerSettings,
    private readonly target: Pick<Consumer, 'deliver'>,
  ) {}

  get canTake(): boolean {
    return this.unsettled.size < this.settings.prefetch;
  }

  get isIdle(): boolean {
    return this.unsettled.size === 0;
  }

  take(stored: StoredMessage): void {
    const delivery = new MemoryDelivery(stored, this);
    this.unsettled.add(delivery);
    this.target.deliver(delivery);
  }

  settle(delivery: MemoryDelivery, outcome: Outcome): void {
    if (this.unsettled.delete(delivery)) this.queue.settle(delivery.stored, outcome);
  }

  /** Starts with the last delivery, so that each returns to the very front. */
  requeueAll(): void {
    const deliveries = [...this.unsettled].reverse();
    this.unsettled.clear();
    for (const { stored } of deliveries) this.queue.settle(stored, 'requeue');
  }
}

class MemoryDelivery implements Delivery {
  readonly message: RoutedMessage;
  readonly redelivered: boolean;

  constructor(
    readonly stored: StoredMessage,
    private readonly consumer: MemoryConsumer,
  ) {
    this.message = stored.message;
    this.redelivered = stored.redelivered;
  }

  /**
   * The delivery itself: the queue keeps the message until it is settled anyway, so a smaller object would save
   * nothing.
   */
  get settlement(): Settlement {
    return this;
  }

  settle(outcome: Outcome): void {
    this.consumer.settle(this, outcome);
  }
}
