/**
 * Replies to requesters that use RabbitMQ's direct reply-to. They have a connection of their own, opened for the first
 * one, because RabbitMQ up to 3.x closes the connection over a malformed address. RabbitMQ is asked about each address
 * before its first reply, so that only the question about a malformed one fails.
 */
import type { Message, Publication, PublishOptions } from '../../broker.js';
import { OutgoingMessage } from '../amqp/outgoing-message.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import type { OwnBindings } from './own-bindings.js';
import { unroutable } from './publish-errors.js';
import { SeparatePublisher } from './separate-publisher.js';

export class DirectReplies {
  private readonly separate: SeparatePublisher;

  constructor(
    private readonly topology: Topology,
    bindings: OwnBindings,
    private readonly options: RabbitMqOptions,
  ) {
    this.separate = new SeparatePublisher('direct replies', topology, bindings, options);
  }

  get count(): number {
    return this.separate.count;
  }

  get bytes(): number {
    return this.separate.bytes;
  }

  /**
   * If the requester is gone, the reply is lost; with `mandatory` it is `unroutable`. RabbitMQ itself returns every
   * mandatory reply, because it has no queue for it, so the relay asks instead.
   */
  publication(address: string, message: Message, options: PublishOptions): Publication {
    const { mandatory, account } = options;
    const publisher = this.separate.open();
    const outgoing = new OutgoingMessage(message, this.options.topics, publisher.frameMax);
    const route = { exchange: '', key: address };
    let isLive = true;
    const admission = publisher.admit(outgoing.bytes, options.isHurried);
    const prepare = async (): Promise<void> => {
      await admission;
      isLive = await this.topology.knowsReplyAddress(address, mandatory, account);
    };
    const send = async (): Promise<void> => {
      if (isLive) return publisher.publish(route, outgoing, { ...options, mandatory: false });
      if (mandatory) throw unroutable(route);
    };
    const isChecked = !mandatory && this.topology.knowsQueue(address);
    return { ready: admission || !isChecked ? prepare() : undefined, send };
  }

  close(): Promise<void> {
    return this.separate.close();
  }
}
