/** A consumer of a queue, with the deliveries that it has not settled yet. */
import type { Consumer, Delivery, Outcome, RoutedMessage, Settlement } from '../broker.js';
import type { StoredMessage } from './stored-message.js';

export interface ConsumerSettings {
  /** Unsettled deliveries at a time, at most. */
  readonly prefetch: number;
  readonly priority: number;
  /** Alone at its queue, or not at all. */
  readonly exclusive: boolean;
}

/** The queue, as its consumers know it. */
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

  /** The last one first, so that each goes back to the very front. */
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

  /** The queue keeps the message until it is settled, whoever else does. */
  get settlement(): Settlement {
    return this;
  }

  settle(outcome: Outcome): void {
    this.consumer.settle(this, outcome);
  }
}
