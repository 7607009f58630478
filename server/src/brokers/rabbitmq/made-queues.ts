/**
 * Counts the queues that the clients of this relay have made, each for the account of its maker. AMQP cannot list
 * queues, and a declaration does not reveal whether it made the queue. So the caller looks for the queue first.
 *
 * A queue counts while clients of this relay consume it. After that it may end without a sign: it expires, or another
 * program deletes it. So it counts for another day, or for its `x-expires` if that is shorter. The policies and limits
 * of the virtual host bound what lasts longer.
 */
import { LRUCache } from 'lru-cache';
import type { QueueDeclaration, QueuePlan } from '../queue-plan.js';
import type { OwnedQueue } from '../queue-pots.js';

export interface DeclaredQueue extends OwnedQueue {
  readonly declaration: QueueDeclaration;
}

/** Counts queues of one kind. */
export interface QueueCounter {
  /** Throws a BrokerError, and counts nothing, if the account of the queue has too many. */
  take(queue: DeclaredQueue): void;
  release(queue: DeclaredQueue): void;
}

interface Made extends DeclaredQueue {
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

  constructor(private readonly counters: readonly QueueCounter[]) {
    this.made = new LRUCache({
      max: COUNTED_MAX,
      ttl: COUNTED_MS,
      ttlAutopurge: true,
      perf: performance,
      dispose: (made) => release(made, counters),
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

  /** Makes a queue with `declare`. Rejects with the error of a counter, such as `too-many-queues`. */
  async make<T>(queue: DeclaredQueue, declare: () => Promise<T>): Promise<T> {
    this.take(queue);
    try {
      const answer = await declare();
      this.made.set(queue.name, { ...queue, consumers: 0 });
      return answer;
    } catch (error) {
      release(queue, this.counters);
      throw error;
    }
  }

  private take(queue: DeclaredQueue): void {
    const taken: QueueCounter[] = [];
    try {
      for (const counter of this.counters) {
        counter.take(queue);
        taken.push(counter);
      }
    } catch (error) {
      release(queue, taken);
      throw error;
    }
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

function release(queue: DeclaredQueue, counters: readonly QueueCounter[]): void {
  for (const counter of counters) counter.release(queue);
}
