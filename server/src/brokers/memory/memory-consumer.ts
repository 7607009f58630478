/** A consumer of a queue, with its unsettled deliveries. */
import type { Consumer, Delivery, Outcome, RoutedMessage, Settlement } from '../broker.js';
import type { RequeueTurns } from '../requeue-turns.js';
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

/** Shared by the consumers of a channel. */
export interface RequeuePlace {
  readonly turns: RequeueTurns;
  /** Takes turns with others. */
  readonly account: string;
}

export class MemoryConsumer {
  private readonly unsettled = new Set<MemoryDelivery>();
  /** Unsettled deliveries that wait for their requeue, with it. */
  private readonly waiting = new Map<MemoryDelivery, () => void>();
  private hasEnded = false;

  constructor(
    readonly queue: DeliverySource,
    readonly settings: ConsumerSettings,
    private readonly target: Pick<Consumer, 'deliver'>,
    private readonly requeues: RequeuePlace,
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
    if (!this.unsettled.has(delivery) || this.waiting.has(delivery)) return;
    if (outcome === 'requeue' && delivery.redelivered && !this.hasEnded) this.requeueInTurn(delivery);
    else this.settleNow(delivery, outcome);
  }

  private settleNow(delivery: MemoryDelivery, outcome: Outcome): void {
    this.unsettled.delete(delivery);
    this.queue.settle(delivery.stored, outcome);
  }

  private requeueInTurn(delivery: MemoryDelivery): void {
    const requeue = (): void => {
      this.waiting.delete(delivery);
      this.settleNow(delivery, 'requeue');
    };
    this.waiting.set(delivery, requeue);
    this.requeues.turns.enter(requeue, this.requeues.account);
  }

  /** It gets no more deliveries, so those that it requeues cannot come back to it. */
  end(): void {
    this.hasEnded = true;
  }

  /** Starts with the last delivery, so that each returns to the very front. */
  requeueAll(): void {
    for (const requeue of this.waiting.values()) this.requeues.turns.leave(requeue, this.requeues.account);
    this.waiting.clear();
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
