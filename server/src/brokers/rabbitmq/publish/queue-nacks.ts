/**
 * RabbitMQ nacks a message to a queue that is full (`x-overflow:reject-publish`), and one to a quorum queue that has no
 * leader: for about a second after the death of a node. AMQP does not distinguish them. So such a message is sent again,
 * marked as resent, unless the queue is known to reject messages. If all attempts fail, nacks of that queue are final
 * for a while.
 */
import { LRUCache } from 'lru-cache';
import type { Route } from './route.js';

/** Delays before the further attempts: 3.75 s in all. */
const DELAYS_MS = [250, 500, 1_000, 2_000] as const;
const FINAL_MS = 30_000;
const FINAL_MAX = 1_000;

export class QueueNacks {
  private readonly final = new LRUCache<string, true>({ max: FINAL_MAX, ttl: FINAL_MS });

  /** The delay before the next attempt; undefined if the message is refused. `nacks` is at least 1. */
  delayMs({ key, declaration }: Pick<Route, 'key' | 'declaration'>, nacks: number): number | undefined {
    const overflow: unknown = declaration?.arguments['x-overflow'];
    if (typeof overflow === 'string' && overflow.startsWith('reject-publish')) return undefined;
    if (nacks > DELAYS_MS.length) this.final.set(key, true);
    return this.final.has(key) ? undefined : DELAYS_MS[nacks - 1];
  }
}
