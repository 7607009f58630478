/**
 * The unsettled deliveries of a channel. Only this file sends acks and nacks to AMQP: an unknown tag (already settled,
 * or of an earlier channel) would close the channel. A requeue of a message that was delivered before may wait for its turn.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery, Outcome, RoutedMessage, Settlement } from '../../broker.js';
import type { RequeueTurns } from '../../requeue-turns.js';
import { toRoutedMessage } from '../amqp/amqp-message.js';
import type { StreamSettling } from './stream-settling.js';

/** The consumer of a delivery. After its end, a requeued message does not come back to it. */
interface Receiver {
  readonly isEnded: boolean;
}

export class DeliveryLedger {
  private readonly unsettled = new Set<number>();
  /** The receivers of unsettled deliveries that RabbitMQ has marked as redelivered. */
  private readonly repeated = new Map<number, Receiver>();
  /** Requeues that wait for their turn. */
  private readonly waiting = new Set<() => void>();
  private isLive = true;

  constructor(
    private readonly channel: Channel,
    /** The exchange behind `/topic`. */
    private readonly topicExchange: string,
    private readonly turns: RequeueTurns,
    /** Takes turns with others. */
    private readonly account: string,
  ) {}

  get size(): number {
    return this.unsettled.size + this.waiting.size;
  }

  /** `stream` settles the deliveries of a queue that is, or may be, a stream. */
  deliver(message: ConsumeMessage, receiver: Receiver, stream?: StreamSettling): Delivery {
    const { deliveryTag, redelivered } = message.fields;
    this.unsettled.add(deliveryTag);
    if (redelivered) this.repeated.set(deliveryTag, receiver);
    const isRepeated = stream?.delivered(message) ?? false;
    const settlement = stream
      ? new StreamTagSettlement(this, deliveryTag, stream)
      : new TagSettlement(this, deliveryTag);
    const routed = toRoutedMessage(message, this.topicExchange);
    return new QueueDelivery(routed, redelivered || isRepeated, settlement);
  }

  /** Settles a delivery without passing it on. */
  skip({ fields }: ConsumeMessage, outcome: 'ack' | 'drop'): void {
    this.unsettled.add(fields.deliveryTag);
    this.settle(fields.deliveryTag, outcome);
  }

  /** Does nothing if the delivery is already settled or the channel is gone. */
  settle(tag: number, outcome: Outcome): void {
    if (!this.isLive || !this.unsettled.delete(tag)) return;
    const receiver = this.repeated.get(tag);
    if (receiver) this.repeated.delete(tag);
    if (outcome === 'requeue' && receiver?.isEnded === false) this.requeueInTurn(tag);
    else this.send(tag, outcome);
  }

  private requeueInTurn(tag: number): void {
    const requeue = (): void => {
      this.waiting.delete(requeue);
      this.send(tag, 'requeue');
    };
    this.waiting.add(requeue);
    this.turns.enter(requeue, this.account);
  }

  private send(tag: number, outcome: Outcome): void {
    // amqplib takes a message, but reads only its tag
    const message = { fields: { deliveryTag: tag } } as ConsumeMessage;
    try {
      if (outcome === 'ack') this.channel.ack(message);
      else this.channel.nack(message, false, outcome !== 'drop');
    } catch {
      // amqplib throws while a channel closes: the broker takes the message back
      this.end();
    }
  }

  /** Whether the delivery can still be settled. */
  isOpen(tag: number): boolean {
    return this.isLive && this.unsettled.has(tag);
  }

  /** The channel is gone: the broker has taken all its deliveries back. */
  end(): void {
    this.isLive = false;
    this.unsettled.clear();
    this.repeated.clear();
    for (const requeue of this.waiting) this.turns.leave(requeue, this.account);
    this.waiting.clear();
  }
}

class TagSettlement implements Settlement {
  constructor(
    private readonly ledger: DeliveryLedger,
    private readonly tag: number,
  ) {}

  settle(outcome: Outcome): void {
    this.ledger.settle(this.tag, outcome);
  }
}

class StreamTagSettlement implements Settlement {
  constructor(
    private readonly ledger: DeliveryLedger,
    private readonly tag: number,
    private readonly stream: StreamSettling,
  ) {}

  settle(outcome: Outcome): void {
    const { ledger, tag } = this;
    if (ledger.isOpen(tag)) this.stream.settle(tag, outcome, (sent) => ledger.settle(tag, sent));
  }
}

class QueueDelivery implements Delivery {
  constructor(
    readonly message: RoutedMessage,
    readonly redelivered: boolean,
    readonly settlement: Settlement,
  ) {}

  settle(outcome: Outcome): void {
    this.settlement.settle(outcome);
  }
}
