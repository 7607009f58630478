/** Uses a broker as a session does, in STOMP's terms. For tests of brokers. `close` cleans up. */
import { randomUUID } from 'node:crypto';
import type {
  AckMode,
  Broker,
  BrokerChannel,
  BrokerError,
  BrokerSubscription,
  Delivery,
  Message,
  RoutedMessage,
  SharedDestination,
} from '../brokers/broker.js';
import { parseDestination } from '../destinations/destination.js';
import type { Destination } from '../destinations/destination.js';
import { publishTo } from './publish-to.js';
import { Inbox } from './test-inbox.js';

export interface Heard {
  readonly message: RoutedMessage;
  readonly key: string;
}

export interface Hearing {
  readonly inbox: Inbox<Heard>;
  readonly subscription: BrokerSubscription;
  /** The bodies of the next messages, as text. */
  readonly bodies: (count: number) => Promise<string[]>;
}

export interface Consuming {
  readonly inbox: Inbox<Delivery>;
  readonly ended: Inbox<BrokerError>;
  readonly subscription: BrokerSubscription;
  /** The bodies of the next messages, as text. Acknowledges them. */
  readonly bodies: (count: number) => Promise<string[]>;
}

export interface ConsumeSettings {
  readonly ack?: AckMode;
  readonly headers?: Readonly<Record<string, string>>;
  readonly id?: string;
  /** The user of `/user/queue/...`. */
  readonly user?: string;
}

export const unique = (name: string): string => `${name}-${randomUUID()}`;

export const textOf = (message: Message): string => message.body.toString();

export function messageOf(body: string | Buffer, headers: Readonly<Record<string, string>> = {}): Message {
  return { headers: new Map(Object.entries(headers)), body: Buffer.from(body) };
}

export class BrokerDesk {
  private readonly opened: { close(): Promise<void> }[] = [];

  constructor(readonly broker: Broker) {}

  /** Sends, and resolves with the broker's confirm. */
  async send(
    to: string,
    body: string | Buffer,
    headers: Readonly<Record<string, string>> = {},
    mandatory = false,
    toSession?: string,
  ): Promise<void> {
    const destination = parseDestination(to, 'send');
    const message = { ...messageOf(body, headers), toSession };
    await publishTo(this.broker, destination, message, { mandatory });
  }

  /** Subscribes with a shared subscription. */
  async listen(to: string, headers: Readonly<Record<string, string>> = {}, user?: string): Promise<Hearing> {
    const inbox = new Inbox<Heard>(`listener of ${to}`);
    const destination = subscribed(to, user) as SharedDestination;
    const listener = (message: RoutedMessage, key: string): void => inbox.add({ message, key });
    const subscription = await this.broker.subscribe(destination, new Map(Object.entries(headers)), listener);
    this.opened.push(subscription);
    const bodies = async (count: number) => (await inbox.take(count)).map(({ message }) => textOf(message));
    return { inbox, subscription, bodies };
  }

  channel(user = 'alice', clientId?: string): ChannelDesk {
    const { broker } = this;
    if (!broker.openChannel) throw new Error(`The ${broker.description} has no openChannel.`);
    const channel = broker.openChannel({ sessionId: unique('session'), user, clientId });
    this.opened.push(channel);
    return new ChannelDesk(channel);
  }

  /** Closes it at the end. */
  add(subscription: BrokerSubscription): void {
    this.opened.push(subscription);
  }

  async close(): Promise<void> {
    for (const each of this.opened.splice(0).reverse()) await each.close();
  }
}

export class ChannelDesk {
  constructor(readonly channel: BrokerChannel) {}

  /** Subscribes with a dedicated subscription. */
  async consume(to: string, settings: ConsumeSettings = {}): Promise<Consuming> {
    const { ack = 'client-individual', headers = {}, id = 'sub-0', user } = settings;
    const inbox = new Inbox<Delivery>(`consumer of ${to}`);
    const ended = new Inbox<BrokerError>(`end of the consumer of ${to}`);
    const options = { ack, headers: new Map(Object.entries(headers)), subscriptionId: id };
    const subscription = await this.channel.consume(subscribed(to, user), options, {
      deliver: inbox.add,
      ended: ended.add,
    });
    const bodies = async (count: number): Promise<string[]> => {
      const texts: string[] = [];
      while (texts.length < count) {
        const delivery = await inbox.next();
        texts.push(textOf(delivery.message));
        delivery.settle('ack');
      }
      return texts;
    };
    return { inbox, ended, subscription, bodies };
  }

  close(): Promise<void> {
    return this.channel.close();
  }
}

export function subscribed(to: string, user: string | undefined): Destination {
  const destination = parseDestination(to, 'subscribe');
  return destination.kind === 'user' ? { ...destination, user } : destination;
}
