/**
 * Counts the queues with dead letters that each account has made. Such queues can pass a message on to each other, so K
 * of them make K messages of each SEND. RabbitMQ has no bound for that, and cannot list the arguments of a queue.
 */
import { BrokerError } from '../broker.js';
import type { QueueDeclaration } from '../queue-plan.js';
import type { DeclaredQueue, QueueCounter } from './made-queues.js';

export class DeadLetterQueues implements QueueCounter {
  private readonly counts = new Map<string, number>();

  constructor(private readonly max: number) {}

  /** Throws a BrokerError. Each success needs a `release` of the same queue. */
  take({ account, declaration }: DeclaredQueue): void {
    if (account === undefined || !hasDeadLetters(declaration)) return;
    const count = this.counts.get(account) ?? 0;
    if (count >= this.max) throw tooMany(this.max);
    this.counts.set(account, count + 1);
  }

  release({ account, declaration }: DeclaredQueue): void {
    if (account === undefined || !hasDeadLetters(declaration)) return;
    const left = (this.counts.get(account) ?? 0) - 1;
    if (left > 0) this.counts.set(account, left);
    else this.counts.delete(account);
  }
}

function hasDeadLetters({ arguments: given }: QueueDeclaration): boolean {
  return given['x-dead-letter-exchange'] !== undefined;
}

function tooMany(max: number): BrokerError {
  const sentence =
    `A user or address has at most queues.arguments.deadLetterQueuesMax (${max}) queues with x-dead-letter-exchange on a ` +
    'relay, because they could pass each message on to one another: use fewer queues, or a policy of RabbitMQ. The option ' +
    'shares.exempt names users without this limit.';
  return new BrokerError('invalid-header', sentence);
}
