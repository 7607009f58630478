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
    return whenReady(this.publisher, this.route, this.message.bytes, this.options);
  }

  send(): Promise<void> {
    // next: brokers/rabbitmq/publish/publisher
    return this.publisher.publish(this.route, this.message, this.options);
  }
}

/** Undefined if a message of this size may be published at once. Rejects with a BrokerError. */
export function whenReady(
  publisher: Publisher,
  route: Route,
  bytes: number,
  { isHurried }: PublishOptions,
): Promise<void> | undefined {
  const admission = publisher.admit(bytes, isHurried);
  return !admission && isKnown(publisher, route) ? undefined : prepare(publisher, route, admission);
}

function isKnown({ topology }: Publisher, { exchange, queue, declaration }: Route): boolean {
  return queue === undefined ? topology.exchanges.knows(exchange) : topology.knowsQueue(queue, declaration);
}

async function prepare(publisher: Publisher, route: Route, admission: Promise<void> | undefined): Promise<void> {
  await admission;
  if (isKnown(publisher, route)) return;
  const { exchange, queue, declaration, account } = route;
  const { topology } = publisher;
  if (queue !== undefined) await topology.ensureQueue(queue, declaration, account);
  else if (topology.exchanges.isOwn(exchange)) await topology.exchanges.ensureOwn(exchange);
  else await topology.exchanges.checkPublishable(exchange, account);
}
