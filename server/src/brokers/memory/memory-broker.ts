/**
 * The embedded broker. It keeps everything in the memory of this process and behaves like RabbitMQ as far as STOMP
 * clients can observe. Each call does its work synchronously: shared listeners and waiting consumers have the message
 * when `publish` returns.
 */
import { EventEmitter } from 'node:events';
import type { Destination } from '../../destinations/destination.js';
import { SharedPots } from '../../load/shared-pots.js';
import { BrokerError } from '../broker.js';
import type {
  Broker,
  BrokerCapabilities,
  BrokerChannel,
  BrokerEvents,
  BrokerGauges,
  BrokerSubscription,
  ChannelOwner,
  Listener,
  Message,
  Publication,
  PublishOptions,
  SharedDestination,
} from '../broker.js';
import type { ExchangeMessage } from '../exchange-message.js';
import type { HistorySettings } from '../history/feed-settings.js';
import { Histories } from '../history/histories.js';
import type { RulePlace } from '../history/history-rules.js';
import type { HistoryFeed, HistoryLog } from '../history.js';
import { checkMessage, queueNotFound } from '../message-checks.js';
import { bindingFor, declarationFor, keyOfUser } from '../queue-plan.js';
import { HistoryFile } from './history-file.js';
import { MemoryChannel } from './memory-channel.js';
import { MemoryDurables } from './memory-durables.js';
import { MemoryLog } from './memory-log.js';
import type { MemoryOptions } from './memory-options.js';
import { MemoryVhost } from './memory-vhost.js';
import { toRoutedMessage } from './stored-message.js';

/** Everything except streams and `shared`: no other process can reach this broker. */
export const MEMORY_CAPABILITIES: BrokerCapabilities = {
  exchanges: true,
  queues: true,
  acks: true,
  durable: true,
  queueArguments: true,
  replies: true,
  mandatory: true,
  deliversInSend: true,
  history: true,
};

const ACCEPTED = Promise.resolve();

export class MemoryBroker implements Broker {
  readonly capabilities = MEMORY_CAPABILITIES;
  readonly description = 'embedded broker';
  readonly durableSubscriptions: MemoryDurables;
  private readonly vhost: MemoryVhost;
  private readonly histories: Histories | undefined;
  private historyFile: HistoryFile | undefined;
  private readonly events = new EventEmitter();
  private state: 'new' | 'up' | 'closed' = 'new';

  constructor(
    private readonly options: MemoryOptions,
    pots = new SharedPots(),
  ) {
    this.vhost = new MemoryVhost(options, pots);
    this.durableSubscriptions = new MemoryDurables(this.vhost);
    this.histories = options.history && this.createHistories(options.history);
  }

  get isUp(): boolean {
    return this.state === 'up';
  }

  get heldBytes(): number {
    return this.vhost.storage.used + (this.histories?.heldBytes ?? 0);
  }

  get gauges(): BrokerGauges | undefined {
    const history = this.histories?.gauges;
    return history && { unconfirmed: 0, pendingBindings: 0, history };
  }

  async start(): Promise<void> {
    this.historyFile?.open();
    if (this.histories) await this.histories.start();
    this.state = 'up';
    this.events.emit('up');
  }

  historyOf(destination: SharedDestination): HistoryFeed | undefined {
    return this.histories?.historyOf(destination);
  }

  publication(destination: Destination, message: Message, options: PublishOptions): Publication {
    this.refuseIfDown();
    const { topicExchange } = this.options;
    const { exchange, key } = this.address(destination);
    checkMessage(message, key, this.options.topics);
    if (exchange !== '') this.vhost.exchange(exchange);
    if (destination.kind === 'queue') {
      const declaration = declarationFor(message.headers, 'send', this.options);
      this.vhost.ensureQueue(destination.queue, declaration, options.account);
    }
    return {
      ready: undefined,
      send: () => this.publish(toRoutedMessage(message, exchange, key, topicExchange), destination, options),
    };
  }

  private publish(
    message: ExchangeMessage,
    destination: Destination,
    { mandatory, account }: PublishOptions,
  ): Promise<void> {
    try {
      this.refuseIfDown();
      // next: delivery/group
      const fate = this.vhost.publish(message, account);
      if (fate === 'taken') return ACCEPTED;
      if (fate !== 'unroutable') return Promise.reject(fate);
      if (destination.kind === 'amq-queue') return Promise.reject(queueNotFound(destination.queue));
      return mandatory ? Promise.reject(unroutable(destination)) : ACCEPTED;
    } catch (error) {
      if (error instanceof BrokerError) return Promise.reject(error);
      throw error;
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- an exception must become a rejection
  async subscribe(
    destination: SharedDestination,
    headers: ReadonlyMap<string, string>,
    listener: Listener,
  ): Promise<BrokerSubscription> {
    this.refuseIfDown();
    const binding = bindingFor(destination, headers, this.options);
    const remove = this.vhost.exchange(binding.exchange).listen(binding.key, binding.arguments, listener);
    return {
      close: () => {
        remove();
        return Promise.resolve();
      },
    };
  }

  openChannel(owner: ChannelOwner): BrokerChannel {
    return new MemoryChannel(owner, this.vhost, this.options);
  }

  on<E extends keyof BrokerEvents>(event: E, listener: (...args: BrokerEvents[E]) => void): void {
    this.events.on(event, listener);
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.vhost.clear();
    await this.histories?.close();
    this.historyFile?.close();
  }

  private createHistories(history: HistorySettings): Histories {
    const { topics, topicExchange, historyFile: file, onHistoryFileError: failed = () => undefined } = this.options;
    if (file !== undefined) {
      const maxAgeMsOf = (rule: string) => history.rules.find(({ name }) => name === rule)?.maxAgeMs;
      const kept = () => this.histories!.kept();
      this.historyFile = new HistoryFile({ file, topicExchange, maxAgeMsOf, kept, failed });
    }
    return new Histories({ history, topics, isEmbedded: true }, (place) => this.createLog(place));
  }

  /** The log is a listener, so that a message for it counts as taken, and has reached all clients when SEND returns. */
  private createLog({ kind, bindings, rule }: RulePlace): HistoryLog {
    const { topicExchange, userExchange } = this.options;
    const log = new MemoryLog(this.historyFile?.storeOf(rule.name));
    const exchange = this.vhost.exchange(kind === 'topic' ? topicExchange : userExchange);
    for (const binding of bindings) exchange.listen(binding, {}, (message, key) => log.append(message, key));
    return log;
  }

  /** Throws a BrokerError for a destination that takes no messages. */
  private address(destination: Destination): { readonly exchange: string; readonly key: string } {
    switch (destination.kind) {
      case 'topic':
        return { exchange: this.options.topicExchange, key: destination.key };
      case 'exchange':
        return destination;
      case 'queue':
      case 'amq-queue':
      case 'reply-queue':
        return { exchange: '', key: destination.queue };
      case 'user':
        return { exchange: this.options.userExchange, key: keyOfUser(destination) };
      case 'temp-queue':
        throw new BrokerError(
          'invalid-destination',
          `${destination.text} cannot be sent to: it is only valid in the reply-to header of a SEND.`,
        );
    }
  }

  private refuseIfDown(): void {
    if (this.state !== 'up') throw new BrokerError('broker-unavailable', 'The broker is not running: try again later.');
  }
}

function unroutable({ text }: Destination): BrokerError {
  return new BrokerError(
    'unroutable',
    `No subscriber or queue received the message to ${text}: subscribe first, or send without mandatory:true.`,
  );
}
