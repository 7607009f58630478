/**
 * RabbitMQ nacks a message if one of the queues that it routed to has failed, even if all others have it. Behind the
 * exchanges of topics, users and lanes, that is usually the queue of another relay, whose trouble is not the sender's. So such
 * a message is sent again, marked as resent. A queue that other programs or clients have bound there can refuse
 * messages too (`x-overflow:reject-publish`). Then each attempt fails, subscribers get each message three times, and
 * for a while nacks are final.
 */

/** Delays before the second and the third attempt. */
const DELAYS_MS = [250, 500] as const;
/** After a message that failed in each attempt. */
const FINAL_MS = 30_000;

export class NackRetries {
  private finalUntil = 0;

  /** Whether relays have bound their queues to the exchange. */
  constructor(private readonly isForRelays: (exchange: string) => boolean) {}

  /** The delay before the next attempt; undefined if the message is refused. `nacks` is at least 1. */
  delayMs(exchange: string, nacks: number): number | undefined {
    if (!this.isForRelays(exchange)) return undefined;
    const now = performance.now();
    if (nacks > DELAYS_MS.length) this.finalUntil = now + FINAL_MS;
    return now < this.finalUntil ? undefined : DELAYS_MS[nacks - 1];
  }
}
