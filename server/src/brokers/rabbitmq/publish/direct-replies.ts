/**
 * Replies to requesters that use RabbitMQ's direct reply-to. They have a connection of their own, opened for the first
 * one, because RabbitMQ up to 3.x closes the connection over a malformed address. RabbitMQ is asked about each address
 * before its first reply, so that only the question about a malformed one fails.
 */
import type { Message, Publication } from '../../broker.js';
import { AmqpConnection } from '../amqp/amqp-connection.js';
import { OutgoingMessage } from '../amqp/outgoing-message.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import type { OwnBindings } from './own-bindings.js';
import { unroutable } from './publish-errors.js';
import { Publisher } from './publisher.js';

export class DirectReplies {
  private connection: AmqpConnection | undefined;
  private publisher: Publisher | undefined;

  constructor(
    private readonly topology: Topology,
    private readonly bindings: OwnBindings,
    private readonly options: RabbitMqOptions,
  ) {}

  get count(): number {
    return this.publisher?.count ?? 0;
  }

  get bytes(): number {
    return this.publisher?.bytes ?? 0;
  }

  /**
   * If the requester is gone, the reply is lost; with `mandatory` it is `unroutable`. RabbitMQ itself returns every
   * mandatory reply, because it has no queue for it, so the relay asks instead.
   */
  publication(address: string, message: Message, mandatory: boolean): Publication {
    const publisher = (this.publisher ??= this.open());
    const outgoing = new OutgoingMessage(message, this.options.topics, publisher.frameMax);
    const route = { exchange: '', key: address };
    let isLive = true;
    const admission = publisher.admit(outgoing.bytes);
    const prepare = async (): Promise<void> => {
      await admission;
      isLive = await this.topology.knowsReplyAddress(address, mandatory);
    };
    const send = async (): Promise<void> => {
      if (isLive) return publisher.publish(route, outgoing, false);
      if (mandatory) throw unroutable(route);
    };
    const isChecked = !mandatory && this.topology.knowsQueue(address);
    return { ready: admission || !isChecked ? prepare() : undefined, send };
  }

  private open(): Publisher {
    this.connection = new AmqpConnection('direct replies', this.options);
    this.connection.start();
    const publisher = new Publisher(this.connection, this.topology, this.bindings, this.options);
    publisher.start();
    return publisher;
  }

  async close(): Promise<void> {
    await this.publisher?.close();
    await this.connection?.close();
  }
}
