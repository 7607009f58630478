/**
 * RabbitMQ nacks a message to a queue that is full (`x-overflow:reject-publish`), and one to a quorum queue that has no
 * leader: for seconds after the death of a node. AMQP does not distinguish them. So such a message is sent again, marked
 * as resent: until its deadline if SEND declares a quorum queue, for some seconds if the kind of the queue is unknown,
 * and never if SEND declares that the queue rejects messages. If all attempts fail, nacks of that queue are final for a
 * while.
 */
import { LRUCache } from 'lru-cache';
import type { Route } from './route.js';

/** Delays before the further attempts: 5.75 s in all. */
const DELAYS_MS = [250, 500, 1_000, 2_000, 2_000] as const;
const LAST_DELAY_MS = 2_000;
const FINAL_MS = 30_000;
const FINAL_MAX = 1_000;

export class QueueNacks {
  private readonly final = new LRUCache<string, true>({ max: FINAL_MAX, ttl: FINAL_MS });

  /** The delay before the next attempt; undefined if the message is refused. `nacks` is at least 1. */
  delayMs({ key, declaration }: Pick<Route, 'key' | 'declaration'>, nacks: number): number | undefined {
    const overflow: unknown = declaration?.arguments['x-overflow'];
    if (typeof overflow === 'string' && overflow.startsWith('reject-publish')) return undefined;
    if (declaration?.arguments['x-queue-type'] === 'quorum') return DELAYS_MS[nacks - 1] ?? LAST_DELAY_MS;
    if (nacks > DELAYS_MS.length) this.final.set(key, true);
    return this.final.has(key) ? undefined : DELAYS_MS[nacks - 1];
  }
}
