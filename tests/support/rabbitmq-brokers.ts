/** RabbitMQ brokers of the relay for tests, and helpers to use them. */
import { randomUUID } from 'node:crypto';
import type {
  Delivery,
  Message,
  RoutedMessage,
  BrokerError,
  SharedDestination,
} from '../../server/src/brokers/broker.js';
import { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import type { RabbitMqOptions } from '../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import { publishTo } from '../../server/src/contract/publish-to.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import type { Destination } from '../../server/src/destinations/destination.js';
import type { SharedPots } from '../../server/src/load/shared-pots.js';
import type { Log } from '../../server/src/process/log.js';

export const DEADLINE_MS = 15_000;

export function rabbitOptions(amqpUrl: string, overrides: Partial<RabbitMqOptions> = {}): RabbitMqOptions {
  return {
    urls: [amqpUrl],
    instanceId: randomUUID().slice(0, 6),
    topicExchange: 'amq.topic',
    topics: { keyWordsMax: 32, patternHashesMax: 1 },
    userExchange: 'stomp-relay.user',
    instanceQueueMaxBytes: 64 * 1024 * 1024,
    instanceQueueExpiresMs: 60_000,
    instancePrefetch: 1_000,
    instanceInFlightMaxBytes: 16 * 1024 * 1024,
    autoPrefetch: 100,
    clientPrefetch: 1_000,
    canaryIntervalMs: 5_000,
    reconnectMinMs: 20,
    reconnectMaxMs: 500,
    connectTimeoutMs: 10_000,
    publishTimeoutMs: 10_000,
    blockedTimeoutMs: 600_000,
    publishChannels: 2,
    unconfirmedMax: 10_000,
    unconfirmedMaxBytes: 64 * 1024 * 1024,
    channelsPerConnection: 1_500,
    connectionsMax: 8,
    queueExpiresMs: 60_000,
    queuesMax: 10_000,
    durableQueuesMax: 10_000,
    replyQueuesMax: 10_000,
    quorumQueuesMax: 10_000,
    queueArguments: { priorityMax: 10, deadLetterQueuesMax: 16, boundDeadLetters: false },
    heartbeatSeconds: 10,
    lanes: [],
    lanesReadOnly: false,
    log: new TestLog(),
    ...overrides,
  };
}

export class TestLog implements Log {
  readonly lines: string[] = [];
  debug(details: object, message: string): void {
    this.write('debug', details, message);
  }
  info(details: object, message: string): void {
    this.write('info', details, message);
  }
  warn(details: object, message: string): void {
    this.write('warn', details, message);
  }
  error(details: object, message: string): void {
    this.write('error', details, message);
  }
  private write(level: string, details: object, message: string): void {
    this.lines.push(`${level} ${message} ${JSON.stringify(details)}`);
  }
}

/** Brokers that are closed together after a test file. */
export class Brokers {
  private readonly open: RabbitMqBroker[] = [];

  constructor(private readonly amqpUrl: string) {}

  async start(overrides: Partial<RabbitMqOptions> = {}, pots?: SharedPots): Promise<RabbitMqBroker> {
    const broker = new RabbitMqBroker(rabbitOptions(this.amqpUrl, overrides), pots);
    this.open.push(broker);
    await broker.start();
    return broker;
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.open.splice(0).map((broker) => broker.close()));
  }
}

/** Resolves at the next event of that kind. */
export function next(broker: RabbitMqBroker, event: 'up' | 'down'): Promise<void> {
  return new Promise((resolve) => broker.on(event, () => resolve()));
}

export function message(body: string, headers: Record<string, string> = {}): Message {
  return { headers: new Map(Object.entries(headers)), body: Buffer.from(body) };
}

export const NO_HEADERS: ReadonlyMap<string, string> = new Map();

export function shared(text: string, user?: string): SharedDestination {
  const destination = parseDestination(text, 'subscribe') as SharedDestination;
  return destination.kind === 'user' ? { ...destination, user } : destination;
}

export function own(text: string): Destination {
  return parseDestination(text, 'subscribe');
}

/** Publishes as a session does: first the checks, then the message. */
export async function send(
  broker: RabbitMqBroker,
  destination: string,
  sent: Message,
  mandatory = false,
): Promise<void> {
  const parsed = parseDestination(destination, 'send');
  await publishTo(broker, parsed, sent, { mandatory });
}

/** Resolves with the code of the error that `work` throws or rejects with, or `no error`. */
export async function codeOf(work: () => Promise<unknown> | undefined): Promise<string> {
  try {
    await work();
  } catch (error) {
    return (error as BrokerError).code;
  }
  return 'no error';
}

export function uniqueName(prefix = 'n'): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export function bodies(messages: readonly RoutedMessage[]): string[] {
  return messages.map(({ body }) => body.toString());
}

/** A consumer that records its deliveries and settles them at once if `settleAs` is set. */
export class Consuming {
  readonly deliveries = new Inbox<Delivery>();
  readonly endings = new Inbox<BrokerError>();

  constructor(private readonly settleAs?: 'ack' | 'requeue' | 'drop') {}

  deliver(delivery: Delivery): void {
    this.deliveries.add(delivery);
    if (this.settleAs) delivery.settle(this.settleAs);
  }

  ended(error: BrokerError): void {
    this.endings.add(error);
  }

  get bodies(): string[] {
    return bodies(this.deliveries.all.map((delivery) => delivery.message));
  }
}
