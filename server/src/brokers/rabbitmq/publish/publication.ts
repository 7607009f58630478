/** A checked message, and the conditions for publishing it: a known exchange or queue, and room at its publisher. */
import type { Publication, PublishOptions } from '../../broker.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import type { Publisher } from './publisher.js';
import type { Route } from './route.js';

export class RoutedPublication implements Publication {
  readonly ready: Promise<void> | undefined;

  constructor(
    private readonly publisher: Publisher,
    private readonly route: Route,
    private readonly message: AmqpContent,
    private readonly options: PublishOptions,
  ) {
    this.ready = this.renew();
  }

  renew(): Promise<void> | undefined {
    const admission = this.publisher.admit(this.message.bytes, this.options.isHurried);
    return !admission && this.isKnown ? undefined : this.prepare(admission);
  }

  send(): Promise<void> {
    // next: brokers/rabbitmq/publish/publisher
    return this.publisher.publish(this.route, this.message, this.options);
  }

  private get isKnown(): boolean {
    const { exchange, queue, declaration } = this.route;
    const { topology } = this.publisher;
    return queue === undefined ? topology.exchanges.knows(exchange) : topology.knowsQueue(queue, declaration);
  }

  private async prepare(admission: Promise<void> | undefined): Promise<void> {
    await admission;
    if (this.isKnown) return;
    const { exchange, queue, declaration, account } = this.route;
    const { topology } = this.publisher;
    if (queue !== undefined) await topology.ensureQueue(queue, declaration, account);
    else if (topology.exchanges.isOwn(exchange)) await topology.exchanges.ensureOwn(exchange);
    else await topology.exchanges.checkPublishable(exchange, account);
  }
}
