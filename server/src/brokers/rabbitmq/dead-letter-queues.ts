/**
 * Counts the queues with dead letters that each account has made. Such queues can pass a message on to each other, so K
 * of them make K messages of each SEND. RabbitMQ has no bound for that, and cannot list the arguments of a queue.
 */
import type { SharedPots } from '../../load/shared-pots.js';
import { largestOf } from '../../load/watched-limit.js';
import type { WatchedLimit } from '../../load/watched-limit.js';
import { BrokerError } from '../broker.js';
import type { QueueDeclaration } from '../queue-plan.js';
import type { DeclaredQueue, QueueCounter } from './made-queues.js';

const LIMIT = 'queues.arguments.deadLetterQueuesMax';

export class DeadLetterQueues implements QueueCounter, WatchedLimit {
  readonly limit = LIMIT;
  readonly refused = { share: 0 };
  private readonly counts = new Map<string, number>();

  /** `allowed` is the limit of each account. */
  constructor(
    private readonly pots: SharedPots,
    readonly allowed: number,
  ) {
    pots.watch(this);
  }

  /** The number of the account with the most. Looks at all accounts: only for the metrics. */
  get used(): number {
    return largestOf(this.counts.values());
  }

  /** Throws a BrokerError. Each success needs a `release` of the same queue. */
  take({ account, declaration }: DeclaredQueue): void {
    if (account === undefined || !hasDeadLetters(declaration)) return;
    const count = this.counts.get(account) ?? 0;
    if (count >= this.allowed) this.refuse(account);
    this.counts.set(account, count + 1);
  }

  release({ account, declaration }: DeclaredQueue): void {
    if (account === undefined || !hasDeadLetters(declaration)) return;
    const left = (this.counts.get(account) ?? 0) - 1;
    if (left > 0) this.counts.set(account, left);
    else this.counts.delete(account);
  }

  /** Throws, unless it is a dry run. */
  private refuse(account: string): void {
    this.refused.share++;
    if (this.pots.mode.refuses(LIMIT, { limit: LIMIT, account, allowed: this.allowed })) throw tooMany(this.allowed);
  }
}

function hasDeadLetters({ arguments: given }: QueueDeclaration): boolean {
  return given['x-dead-letter-exchange'] !== undefined;
}

function tooMany(max: number): BrokerError {
  const sentence =
    `A user or address has at most ${LIMIT} (${max}) queues with x-dead-letter-exchange on a relay, ` +
    'because they could pass each message on to one another: use fewer queues, or a policy of RabbitMQ. The option ' +
    'shares.exempt names users without this limit.';
  return new BrokerError('invalid-header', sentence);
}
