/**
 * All publishing of an instance, spread by user. Each user's messages always use the same one of several channels, so
 * they keep their order. RabbitMQ routes on the receiving channel, stops reading a connection if one of its channels
 * falls behind, and closes channels and connections over refusals. So each channel has its own connection and an equal
 * share of the limits, and a user only waits for the users of its channel.
 *
 * A user whose message has closed a channel is apart for a while: its messages go over a channel that only such users
 * have. Then the same again costs no other user anything. A user whose messages are nacked again and again gets a new
 * channel (`fresh-publisher.ts`).
 */
import { LRUCache } from 'lru-cache';
import { AmqpConnection } from '../amqp/amqp-connection.js';
import { LaneWriter } from '../lanes/lane-writer.js';
import type { Lanes } from '../lanes/lanes.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { hashOf } from '../text-hash.js';
import type { Topology } from '../topology.js';
import { FreshPublisher } from './fresh-publisher.js';
import type { OwnBindings } from './own-bindings.js';
import { Publisher } from './publisher.js';
import { SeparatePublisher } from './separate-publisher.js';

/** The time for which a user stays apart. */
const APART_MS = 30_000;
const APART_MAX = 1_000;

export class Publishers {
  readonly connections: readonly AmqpConnection[];
  private readonly publishers: readonly Publisher[];
  private readonly apart = new LRUCache<string, true>({ max: APART_MAX, ttl: APART_MS });
  private readonly publisherApart: SeparatePublisher;
  private readonly fresh: FreshPublisher;

  constructor(topology: Topology, bindings: OwnBindings, options: RabbitMqOptions, lanes?: Lanes) {
    const { publishChannels, unconfirmedMax, unconfirmedMaxBytes } = options;
    const share = {
      ...options,
      unconfirmedMax: Math.ceil(unconfirmedMax / publishChannels),
      unconfirmedMaxBytes: Math.ceil(unconfirmedMaxBytes / publishChannels),
    };
    this.connections = Array.from(
      { length: publishChannels },
      (_, index) => new AmqpConnection(`publish ${index + 1}`, options),
    );
    const setApart = (user: string): void => void this.apart.set(user, true);
    this.publishers = this.connections.map(
      (connection) => new Publisher('publish', connection, topology, bindings, share),
    );
    this.fresh = new FreshPublisher(topology, bindings, share, setApart);
    for (const publisher of this.publishers) {
      publisher.onBlamed = setApart;
      publisher.secondWay = this.fresh;
      publisher.lanes = lanes && new LaneWriter(publisher, lanes.exchange, lanes.counters);
    }
    const outcomes = { onBlamed: setApart, secondWay: this.fresh };
    this.publisherApart = new SeparatePublisher('publish apart', topology, bindings, share, outcomes);
  }

  get count(): number {
    return this.publishers.reduce((sum, { count }) => sum + count, this.publisherApart.count + this.fresh.count);
  }

  get bytes(): number {
    return this.publishers.reduce((sum, { bytes }) => sum + bytes, this.publisherApart.bytes + this.fresh.bytes);
  }

  start(): void {
    for (const publisher of this.publishers) publisher.start();
  }

  /**
   * The publisher of this user. The relay itself has the empty name. It publishes revocations, whose order does not
   * matter, so no user's slow or full channel may delay them.
   */
  of(user: string): Publisher {
    if (user === '') return this.leastLoaded();
    if (this.apart.size > 0 && this.apart.has(user)) return this.publisherApart.open();
    const fresh = this.fresh.of(user);
    if (fresh) return fresh;
    return this.publishers[hashOf(user) % this.publishers.length]!;
  }

  private leastLoaded(): Publisher {
    let least = this.publishers[0]!;
    for (const each of this.publishers) {
      const isBetter = least.obstacle === undefined ? each.count < least.count : true;
      if (each.obstacle === undefined && isBetter) least = each;
    }
    return least;
  }

  /** Waits for confirms while the broker is connected. */
  async close(): Promise<void> {
    await Promise.all([...this.publishers, this.publisherApart, this.fresh].map((publisher) => publisher.close()));
  }
}
