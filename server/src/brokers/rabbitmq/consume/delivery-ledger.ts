/**
 * The unsettled deliveries of a channel. Only this file sends acks and nacks to AMQP: an unknown tag (already settled,
 * or of an earlier channel) would close the channel.
 */
import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery, Outcome, RoutedMessage, Settlement } from '../../broker.js';
import { toRoutedMessage } from '../amqp/amqp-message.js';
import type { StreamSettling } from './stream-settling.js';

export class DeliveryLedger {
  private readonly unsettled = new Set<number>();
  private isLive = true;

  constructor(
    private readonly channel: Channel,
    /** The exchange behind `/topic`. */
    private readonly topicExchange: string,
  ) {}

  get size(): number {
    return this.unsettled.size;
  }

  /** `stream` settles the deliveries of a queue that is, or may be, a stream. */
  deliver(message: ConsumeMessage, stream?: StreamSettling): Delivery {
    const { deliveryTag, redelivered } = message.fields;
    this.unsettled.add(deliveryTag);
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
