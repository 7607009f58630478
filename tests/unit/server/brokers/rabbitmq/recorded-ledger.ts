import type { Channel, ConsumeMessage } from 'amqplib';
import type { Delivery } from '../../../../../server/src/brokers/broker.js';
import { DeliveryLedger } from '../../../../../server/src/brokers/rabbitmq/consume/delivery-ledger.js';

/** A ledger whose channel records the calls that reach AMQP. */
export class RecordedLedger {
  readonly calls: string[] = [];
  readonly ledger: DeliveryLedger;
  /** While true, the channel throws as amqplib does. */
  isClosing = false;

  constructor() {
    const channel = {
      ack: ({ fields }: ConsumeMessage) => this.call(`ack ${fields.deliveryTag}`),
      nack: ({ fields }: ConsumeMessage, _: boolean, requeue: boolean) =>
        this.call(`${requeue ? 'requeue' : 'drop'} ${fields.deliveryTag}`),
    };
    this.ledger = new DeliveryLedger(channel as unknown as Channel, 'amq.topic');
  }

  deliver(deliveryTag: number): Delivery {
    return this.ledger.deliver({
      content: Buffer.from('the body'),
      properties: {},
      fields: { deliveryTag, redelivered: false, exchange: '', routingKey: 'q', consumerTag: 'c' },
    } as unknown as ConsumeMessage);
  }

  private call(text: string): void {
    if (this.isClosing) throw new Error('Channel closing');
    this.calls.push(text);
  }
}
