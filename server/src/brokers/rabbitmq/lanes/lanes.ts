/**
 * The lanes of a relay (`rabbitmq.lanes`): many messages travel as one AMQP message, for destinations that only relays
 * consume. See docs/lanes.md.
 */
import { BrokerError } from '../../broker.js';
import type { Message, Publication, PublishOptions } from '../../broker.js';
import { checkMessage, messageBytes, shownHeaders } from '../../message-checks.js';
import type { QueueBinding } from '../../queue-plan.js';
import type { Publisher } from '../publish/publisher.js';
import type { Route } from '../publish/route.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import { LaneCounters } from './lane-counters.js';
import { LanePlan } from './lane-plan.js';
import { LanePublication } from './lane-publication.js';

export class Lanes {
  readonly plan: LanePlan;
  readonly counters = new LaneCounters();

  constructor(
    private readonly options: RabbitMqOptions,
    private readonly topology: Topology,
  ) {
    this.plan = new LanePlan(options, options.topics);
    topology.exchanges.own(this.plan.exchange, 'direct');
  }

  get exchange(): string {
    return this.plan.exchange;
  }

  /** Resolves when the exchange exists. Rejects with a BrokerError. */
  ensure(): Promise<void> {
    return this.topology.exchanges.ensureOwn(this.exchange);
  }

  /** Undefined for a message that travels by itself. Throws a BrokerError. */
  publication(route: Route, message: Message, options: PublishOptions, publisher: Publisher): Publication | undefined {
    const shard = this.plan.shardOf(route);
    if (shard === undefined) return undefined;
    if (options.mandatory && route.exchange === this.options.topicExchange) throw notMandatory(route);
    if (this.options.lanesReadOnly) return undefined;
    // RabbitMQ answers for users, and ends messages that expire, one by one
    if (options.mandatory || message.headers.has('expiration')) return undefined;
    // Revocations must not be lost if another program deletes the exchange of lanes
    const { user = '' } = options;
    if (user === '') return undefined;
    checkMessage(message, route.key, this.options.topics);
    const { body, toSession } = message;
    const isToUser = route.exchange === this.options.userExchange;
    const laneMessage = { isToUser, key: route.key, headers: shownHeaders(message.headers), body, toSession };
    const send = { message: laneMessage, shard, bytes: messageBytes(message), options };
    return new LanePublication(publisher, this.exchange, send);
  }

  /** Throws `not-supported` for a subscription with a queue of its own, which gets nothing from lanes. */
  checkConsume(binding: QueueBinding | undefined): void {
    if (!binding || !this.plan.overlaps(binding)) return;
    throw new BrokerError(
      'not-supported',
      'The lanes of this relay (rabbitmq.lanes) cover the destination, or a part of it. A subscription there has no queue of ' +
        'its own: leave out ack, durable and the headers of queues.',
    );
  }
}

/** Relays have one binding for a lane, so RabbitMQ would also count those without a subscriber of the topic. */
function notMandatory({ key }: Route): BrokerError {
  return new BrokerError(
    'not-supported',
    `The header mandatory:true is not supported for "${key}", because a lane of this relay (rabbitmq.lanes) covers it.`,
  );
}
