import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../../../../server/src/brokers/broker.js';
import { DeliveryLedger } from '../../../../../server/src/brokers/rabbitmq/consume/delivery-ledger.js';
import { RequeueTurns } from '../../../../../server/src/brokers/requeue-turns.js';

/** A ledger whose channel records the calls that reach AMQP. */
export class RecordedLedger {
  readonly calls: string[] = [];
  readonly ledger: DeliveryLedger;
  /** The consumer of all deliveries. */
  readonly receiver = { isEnded: false };
  /** While true, the channel throws as amqplib does. */
  isClosing = false;

  constructor(turns = new RequeueTurns()) {
    const channel = {
      ack: ({ fields }: ConsumeMessage) => this.call(`ack ${fields.deliveryTag}`),
      nack: ({ fields }: ConsumeMessage, _: boolean, requeue: boolean) =>
        this.call(`${requeue ? 'requeue' : 'drop'} ${fields.deliveryTag}`),
    };
    this.ledger = new DeliveryLedger(channel as unknown as Channel, 'amq.topic', turns, 'user:ann');
  }

  deliver(deliveryTag: number, redelivered = false): Delivery {
    const message = {
      content: Buffer.from('the body'),
      properties: {},
      fields: { deliveryTag, redelivered, exchange: '', routingKey: 'q', consumerTag: 'c' },
    };
    return this.ledger.deliver(message as unknown as ConsumeMessage, this.receiver);
  }

  private call(text: string): void {
    if (this.isClosing) throw new Error('Channel closing');
    this.calls.push(text);
  }
}
