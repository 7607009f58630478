/** The exchanges and queues of the embedded broker. Routes messages through them. */
import type { Arguments } from '../../destinations/queue-options.js';
import type { Account } from '../../load/accounts.js';
import type { PotRefusal, SharedPot } from '../../load/shared-pot.js';
import type { SharedPots } from '../../load/shared-pots.js';
import { FairTurns } from '../../timing/fair-turns.js';
import { BrokerError } from '../broker.js';
import type { ExchangeMessage } from '../exchange-message.js';
import { messageBytes, queueNotFound } from '../message-checks.js';
import type { QueueDeclaration, QueuePlan } from '../queue-plan.js';
import { QueuePots } from '../queue-pots.js';
import { RequeueTurns } from '../requeue-turns.js';
import { DeadLetters } from './dead-letters.js';
import type { DeadLetter } from './dead-letters.js';
import { DeathHistory } from './death-history.js';
import { MemoryExchange } from './memory-exchange.js';
import type { Route } from './memory-exchange.js';
import type { ExchangeType, MemoryOptions } from './memory-options.js';
import { MemoryQueue, storageRefusal } from './memory-queue.js';
import type { QueueHost } from './memory-queue.js';
import { conflict, readLimits } from './queue-limits.js';
import { toDeadLetter } from './stored-message.js';

/** The exchanges that every RabbitMQ has. */
const STANDARD_EXCHANGES: readonly (readonly [string, ExchangeType])[] = [
  ['amq.topic', 'topic'],
  ['amq.direct', 'direct'],
  ['amq.fanout', 'fanout'],
  ['amq.headers', 'headers'],
  ['amq.match', 'headers'],
];

/** The time of all queues together in a turn of the event loop: a client can have thousands of queues. */
const DISPATCH_TURN_MS = 2;

const PLAIN: QueueDeclaration = { autoDelete: false, arguments: {} };
const NO_ROUTES: readonly Route[] = [];
const NO_QUEUES: readonly MemoryQueue[] = [];

/** The result of publishing: `unroutable` if no queue or listener matched, an error if a queue refused the message. */
export type Fate = 'taken' | 'unroutable' | BrokerError;

export class MemoryVhost implements QueueHost {
  readonly storage: SharedPot;
  readonly deadLetters: DeadLetters;
  readonly turns: FairTurns<MemoryQueue>;
  readonly requeueTurns = new RequeueTurns();
  private readonly exchanges = new Map<string, MemoryExchange>();
  private readonly queues = new Map<string, MemoryQueue>();

  private readonly queuePots: QueuePots;

  constructor(
    private readonly options: MemoryOptions,
    pots: SharedPots,
    now?: () => number,
  ) {
    this.turns = new FairTurns(DISPATCH_TURN_MS, (queue) => queue.dispatch(), now);
    this.queuePots = new QueuePots(pots, 'memory', options);
    this.storage = pots.create({
      limit: 'memory.messagesMaxBytes',
      max: options.messagesMaxBytes,
      things: 'bytes of messages in queues',
      wayOut: 'try again when some have been consumed, give queues an x-message-ttl or x-max-length, or use RabbitMQ',
      isOldBound: true,
    });
    this.deadLetters = new DeadLetters(this.storage, (letter) => this.deadLetter(letter));
    for (const [name, type] of STANDARD_EXCHANGES) this.exchanges.set(name, new MemoryExchange(name, type));
    for (const { name, type } of options.exchanges) this.exchanges.set(name, new MemoryExchange(name, type));
    const { topicExchange, userExchange } = options;
    if (!this.exchanges.has(topicExchange))
      this.exchanges.set(topicExchange, new MemoryExchange(topicExchange, 'topic'));
    this.exchanges.set(userExchange, new MemoryExchange(userExchange, 'topic'));
  }

  /** Throws `exchange-not-found`. */
  exchange(name: string): MemoryExchange {
    const exchange = this.exchanges.get(name);
    if (exchange) return exchange;
    const known = [...this.exchanges.keys()].filter((each) => each !== this.options.userExchange);
    throw new BrokerError(
      'exchange-not-found',
      `There is no exchange "${name}": declare it in the relay's configuration (memory.exchanges), or use an existing one: ${known.join(', ')}.`,
    );
  }

  /** Finds or creates the queue of a consumer. Throws a BrokerError. */
  provide({ queue, source, binding }: QueuePlan, account: Account): MemoryQueue {
    if (binding) this.exchange(binding.exchange);
    if (source === 'must-exist') return this.existing(queue);
    return this.ensureQueue(queue, source === 'as-found' ? undefined : source, account);
  }

  /**
   * Without a declaration, accepts an existing queue as it is. A new one counts for `account`. Throws a BrokerError.
   */
  ensureQueue(name: string, declaration: QueueDeclaration | undefined, account: Account): MemoryQueue {
    const known = this.queues.get(name);
    if (!known) return this.declare(name, declaration ?? PLAIN, account);
    if (declaration) refuseOther(known, declaration);
    known.touch();
    return known;
  }

  queueNames(): Iterable<string> {
    return this.queues.keys();
  }

  find(name: string): MemoryQueue | undefined {
    return this.queues.get(name);
  }

  deleteQueue(queue: MemoryQueue): void {
    if (this.queues.get(queue.name) !== queue) return;
    this.queues.delete(queue.name);
    this.queuePots.release(queue);
    queue.delete();
  }

  /**
   * If there is no room for all copies, no queue gets the message. If one queue is full, the others still get it.
   * `account` is that of the sender.
   */
  publish(message: ExchangeMessage, account: Account, deaths = DeathHistory.empty): Fate {
    const { exchange, routingKey, headers } = message;
    const routes = exchange === '' ? NO_ROUTES : this.exchange(exchange).match(routingKey, headers);
    const queues = exchange === '' ? this.queueNamed(routingKey) : queuesOf(routes);
    // A single queue without other receivers refuses by itself
    const isShared = routes.length > 0 && queues.length > 0;
    const refusal = isShared ? this.refuseAll(messageBytes(message) * queues.length) : undefined;
    if (refusal) return storageRefusal(refusal);
    let fate: Fate = routes.length + queues.length > 0 ? 'taken' : 'unroutable';
    for (let i = 0; i < routes.length; i++) routes[i]!.listeners.deliver(message, routingKey);
    for (let i = 0; i < queues.length; i++) fate = queues[i]!.offer(message, account, deaths) ?? fate;
    return fate;
  }

  private refuseAll(bytes: number): PotRefusal | undefined {
    return this.storage.boundFor(undefined, bytes) && this.storage.take(undefined, bytes);
  }

  private deadLetter({ limits, stored, death }: DeadLetter): void {
    const exchange = limits.deadLetterExchange;
    if (exchange === undefined || (exchange !== '' && !this.exchanges.has(exchange))) return;
    const deaths = stored.deaths.after(death, stored.message);
    if (!deaths) return;
    this.publish(toDeadLetter(stored.message, death, deaths, exchange, limits.deadLetterKey), stored.payer, deaths);
  }

  unused(queue: MemoryQueue): void {
    this.deleteQueue(queue);
  }

  clear(): void {
    this.deadLetters.clear();
    for (const queue of [...this.queues.values()]) this.deleteQueue(queue);
  }

  private existing(name: string): MemoryQueue {
    const queue = this.queues.get(name);
    if (queue) return queue;
    throw queueNotFound(name);
  }

  private declare(name: string, declaration: QueueDeclaration, account: Account): MemoryQueue {
    if (name.startsWith('amq.')) {
      throw new BrokerError(
        'access-refused',
        `Names that begin with "amq." are reserved for the broker: choose a name other than "${name}".`,
      );
    }
    const limits = readLimits(name, declaration.arguments, declaration.autoDelete, this.options);
    this.queuePots.take({ name, account });
    const queue = new MemoryQueue(name, declaration, limits, this, account);
    this.queues.set(name, queue);
    return queue;
  }

  private queueNamed(name: string): readonly MemoryQueue[] {
    const queue = this.queues.get(name);
    return queue ? [queue] : NO_QUEUES;
  }
}

function queuesOf(routes: readonly Route[]): readonly MemoryQueue[] {
  let found: readonly MemoryQueue[] = NO_QUEUES;
  for (let i = 0; i < routes.length; i++) {
    const { queues } = routes[i]!;
    if (queues.size === 0) continue;
    found = found.length === 0 ? [...queues] : [...new Set([...found, ...queues])];
  }
  return found;
}

function refuseOther({ name, declaration }: MemoryQueue, requested: QueueDeclaration): void {
  if (declaration.autoDelete !== requested.autoDelete) {
    throw conflict(
      name,
      `it exists with auto-delete:${declaration.autoDelete}, not ${requested.autoDelete}: subscribe with that value, or without queue headers`,
    );
  }
  const names = new Set([...Object.keys(declaration.arguments), ...Object.keys(requested.arguments)]);
  for (const argument of names) {
    const existing = describe(declaration.arguments, argument);
    const other = describe(requested.arguments, argument);
    if (existing !== other) {
      throw conflict(name, `it exists ${existing}, not ${other}: use the same queue headers, or none`);
    }
  }
}

function describe(given: Arguments, name: string): string {
  return given[name] === undefined ? `without ${name}` : `with ${name}:${given[name]}`;
}
