/**
 * Bounds the queues with dead letters that an account declares. Such queues can pass a message on to each other, so K of
 * them make K messages of each SEND. RabbitMQ has no bound for that, and cannot list the arguments of a queue.
 */
import { LRUCache } from 'lru-cache';
import type { Account } from '../../load/accounts.js';
import { BrokerError } from '../broker.js';
import type { QueueDeclaration } from '../queue-plan.js';

const ACCOUNTS_MAX = 10_000;
/** Clients without an account count together: without a bound, any of them could make a chain. */
const WITHOUT_ACCOUNT = '';

export class DeadLetterQueues {
  private readonly queuesOf = new LRUCache<string, Set<string>>({ max: ACCOUNTS_MAX });

  constructor(private readonly max: number) {}

  /** Must be called before each declaration. Throws a BrokerError. */
  admit(queue: string, { arguments: given }: QueueDeclaration, account: Account): void {
    if (given['x-dead-letter-exchange'] === undefined) return;
    const holder = account ?? WITHOUT_ACCOUNT;
    const queues = this.queuesOf.get(holder) ?? new Set<string>();
    if (queues.size >= this.max && !queues.has(queue)) throw tooMany(this.max);
    queues.add(queue);
    this.queuesOf.set(holder, queues);
  }
}

function tooMany(max: number): BrokerError {
  const sentence =
    `A user or address declares at most queues.arguments.deadLetterQueuesMax (${max}) queues with x-dead-letter-exchange on a relay, ` +
    'because they could pass each message on to one another: use fewer queues, or a policy of RabbitMQ.';
  return new BrokerError('invalid-header', sentence);
}
