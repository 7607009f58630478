/**
 * Counts the queues that the clients of this relay have made, each for the account of its maker. AMQP cannot list
 * queues, and a declaration does not reveal whether it made the queue. So the caller looks for the queue first.
 *
 * A queue counts while clients of this relay consume it. After that it may end without a sign: it expires, or another
 * program deletes it. So it counts for another day, or for its `x-expires` if that is shorter. The policies and limits
 * of the virtual host bound what lasts longer.
 */
import { LRUCache } from 'lru-cache';
import type { Account } from '../../load/accounts.js';
import type { QueueDeclaration, QueuePlan } from '../queue-plan.js';
import type { QueuePots } from '../queue-pots.js';
import { hasDeadLetters } from './dead-letter-queues.js';
import type { DeadLetterQueues } from './dead-letter-queues.js';

interface Made {
  readonly account: Account;
  readonly hasDeadLetters: boolean;
  /** Number of consumers of this relay. */
  consumers: number;
}

const COUNTED_MS = 86_400_000;
/** Above all bounds that are usual. In a dry run nothing else bounds the memory. */
const COUNTED_MAX = 100_000;
const FOUND_MAX = 10_000;

export class MadeQueues {
  private readonly made: LRUCache<string, Made>;
  /** Existing queues that do not count. */
  private readonly found = new LRUCache<string, true>({ max: FOUND_MAX });

  constructor(
    private readonly pots: QueuePots,
    private readonly deadLetterQueues: DeadLetterQueues,
  ) {
    this.made = new LRUCache({
      max: COUNTED_MAX,
      ttl: COUNTED_MS,
      ttlAutopurge: true,
      perf: performance,
      dispose: (made, queue) => this.release(queue, made),
    });
  }

  /** True if a declaration would not make the queue, as far as the relay knows. */
  knows(queue: string): boolean {
    return this.made.has(queue) || this.found.has(queue);
  }

  exists(queue: string): void {
    if (!this.made.has(queue)) this.found.set(queue, true);
  }

  /** The queue was deleted. */
  gone(queue: string): void {
    this.made.delete(queue);
    this.found.delete(queue);
  }

  /** Makes a queue with `declare`. Rejects with `too-many-queues`, or if the account has too many with dead letters. */
  async make<T>(queue: string, declaration: QueueDeclaration, account: Account, declare: () => Promise<T>): Promise<T> {
    const made = { account, hasDeadLetters: hasDeadLetters(declaration), consumers: 0 };
    if (made.hasDeadLetters) this.deadLetterQueues.take(account);
    try {
      this.pots.take(queue, account);
    } catch (error) {
      if (made.hasDeadLetters) this.deadLetterQueues.release(account);
      throw error;
    }
    try {
      const answer = await declare();
      this.made.set(queue, made);
      return answer;
    } catch (error) {
      this.release(queue, made);
      throw error;
    }
  }

  private release(queue: string, made: Made): void {
    this.pots.release(queue, made.account);
    if (made.hasDeadLetters) this.deadLetterQueues.release(made.account);
  }

  /** A consumer of this relay begins. */
  used(queue: string): void {
    const made = this.made.get(queue);
    if (!made) return;
    made.consumers++;
    this.made.set(queue, made, { ttl: 0 });
  }

  /** A consumer has ended. RabbitMQ deletes an auto-delete queue after its last one. */
  left({ queue, source }: QueuePlan): void {
    const made = this.made.get(queue);
    if (!made || --made.consumers > 0) return;
    const declared = typeof source === 'object' ? source : undefined;
    if (declared?.autoDelete) return this.gone(queue);
    const expiresMs = Number(declared?.arguments['x-expires'] ?? COUNTED_MS);
    this.made.set(queue, made, { ttl: Math.min(expiresMs, COUNTED_MS) });
  }
}
