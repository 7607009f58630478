/**
 * All publishing of an instance, spread by user. Each user's messages always use the same one of several channels, so
 * they keep their order. RabbitMQ routes on the receiving channel, stops reading a connection if one of its channels
 * falls behind, and closes channels and connections over refusals. So each channel has its own connection and an equal
 * share of the limits, and a user only waits for the users of its channel.
 */
import { AmqpConnection } from '../amqp/amqp-connection.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import type { OwnBindings } from './own-bindings.js';
import { Publisher } from './publisher.js';

export class Publishers {
  readonly connections: readonly AmqpConnection[];
  private readonly publishers: readonly Publisher[];

  constructor(topology: Topology, bindings: OwnBindings, options: RabbitMqOptions) {
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
    this.publishers = this.connections.map((connection) => new Publisher(connection, topology, bindings, share));
  }

  get count(): number {
    return this.publishers.reduce((sum, { count }) => sum + count, 0);
  }

  get bytes(): number {
    return this.publishers.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  start(): void {
    for (const publisher of this.publishers) publisher.start();
  }

  /** The publisher of this user; the relay itself has the empty name. */
  of(user: string): Publisher {
    return this.publishers[hashOf(user) % this.publishers.length]!;
  }

  /** Waits for confirms while the broker is connected. */
  async close(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.close()));
  }
}

/** FNV-1a with the finalizer of MurmurHash3: without it, similar names would have similar remainders. Not negative. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
