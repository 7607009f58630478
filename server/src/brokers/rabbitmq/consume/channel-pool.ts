/**
 * Connections for consuming, opened on demand. There are several, because RabbitMQ and AMQP limit the channels of a
 * connection and the broker reads each connection with one process. A lease stands for one channel.
 */
import type { Account } from '../../../load/accounts.js';
import type { SharedPot } from '../../../load/shared-pot.js';
import type { SharedPots } from '../../../load/shared-pots.js';
import { BrokerError } from '../../broker.js';
import { AmqpConnection } from '../amqp/amqp-connection.js';
import { ScratchChannels } from '../amqp/scratch-channels.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';

/** A connection, and channels on it for requests that the broker may refuse. */
export interface Link {
  readonly connection: AmqpConnection;
  readonly scratch: ScratchChannels;
}

export interface Lease {
  readonly link: Link;
  release(): void;
}

/** Reserved on each connection for scratch channels. */
const SPARE_CHANNELS = 8;

export function openLink(purpose: string, options: RabbitMqOptions, anywhere?: 'anywhere'): Link {
  const connection = new AmqpConnection(purpose, options);
  return { connection, scratch: new ScratchChannels(connection, options, anywhere) };
}

export class ChannelPool {
  private readonly links = new Map<Link, number>();
  private opened = 0;

  private readonly pot: SharedPot;

  constructor(
    private readonly options: RabbitMqOptions,
    pots: SharedPots,
  ) {
    const { connectionsMax, channelsPerConnection } = options;
    this.pot = pots.create({
      limit: 'rabbitmq.connectionsMax',
      max: connectionsMax * channelsPerConnection,
      things: 'channels for queue subscriptions',
      wayOut: 'end some queue subscriptions, or try again later',
      isOldBound: true,
    });
  }

  get connections(): number {
    return this.links.size;
  }

  get channels(): number {
    let sum = 0;
    for (const leased of this.links.values()) sum += leased;
    return sum;
  }

  /** Throws `too-many-channels`. */
  lease(account: Account): Lease {
    const refusal = this.pot.take(account);
    if (refusal) throw new BrokerError('too-many-channels', refusal.sentence);
    try {
      return this.leaseFrom(this.linkWithRoom(), account);
    } catch (error) {
      this.pot.release(account);
      throw error;
    }
  }

  private leaseFrom(link: Link, account: Account): Lease {
    this.links.set(link, this.links.get(link)! + 1);
    let isReleased = false;
    const release = (): void => {
      if (isReleased) return;
      isReleased = true;
      this.pot.release(account);
      this.returnTo(link);
    };
    return { link, release };
  }

  private linkWithRoom(): Link {
    const { channelsPerConnection, connectionsMax } = this.options;
    for (const [link, leased] of this.links) {
      if (leased < Math.min(channelsPerConnection, link.connection.channelMax - SPARE_CHANNELS)) return link;
    }
    if (this.links.size >= connectionsMax) {
      throw new BrokerError(
        'too-many-channels',
        `All connections of the relay to RabbitMQ for queue subscriptions are full: connectionsMax (${connectionsMax}), with ` +
          `channelsPerConnection (${channelsPerConnection}) sessions each. Try again later.`,
      );
    }
    const link = openLink(`consume ${++this.opened}`, this.options);
    link.connection.start();
    this.links.set(link, 0);
    return link;
  }

  /** Keeps one connection for the next session and closes other empty ones. */
  private returnTo(link: Link): void {
    const leased = this.links.get(link);
    if (leased === undefined) return;
    this.links.set(link, leased - 1);
    if (leased > 1 || this.links.size === 1) return;
    this.links.delete(link);
    void link.connection.close();
  }

  async close(): Promise<void> {
    const links = [...this.links.keys()];
    this.links.clear();
    await Promise.all(links.map((link) => link.connection.close()));
  }
}
