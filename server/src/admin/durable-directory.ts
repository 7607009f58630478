/**
 * The durable subscriptions at the broker, for operators and for revocations. A broker may be unable to list them; then
 * each result has the reason in `unknown`.
 */
import type { Broker, DurableEnd, DurableSubscription, DurableSubscriptions } from '../brokers/broker.js';
import type { Log } from '../process/log.js';
import { withDeadline } from '../timing/deadline.js';
import type { Page, PageRequest } from './keyset-page.js';

export type DurablePage = Page<DurableSubscription> & { readonly unknown?: string };
export type DurableEnding = { readonly result: DurableEnd } | { readonly unknown: string };

/** The end of all durable subscriptions of a user. */
export interface DurableRevocation {
  readonly ended: number;
  /** The reason why some may remain. */
  readonly unknown?: string;
}

const NO_LIST = 'The broker of this relay does not list durable subscriptions.';
const PAGE = 100;
/** The time that the caller of a revocation waits for the broker. */
const WAIT_MS = 3_000;
/**
 * A SUBSCRIBE of an ended session may still be creating its queue, and the broker may be away. Then the queues are
 * ended again.
 */
const AGAIN_MS = 2_000;
const TRIES_MAX = 10;

export class DurableDirectory {
  /** Users whose queues are being ended; one at a time. */
  private queue: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly broker: Pick<Broker, 'capabilities' | 'durableSubscriptions'>,
    private readonly log: Pick<Log, 'info' | 'warn'>,
  ) {}

  async list({ user, after, limit }: PageRequest & { readonly user?: string | undefined }): Promise<DurablePage> {
    const { durableSubscriptions: source, capabilities } = this.broker;
    if (!source) return { items: [], ...(capabilities.durable && { unknown: NO_LIST }) };
    try {
      const { items, isMore } = await source.list({ user, after, limit });
      const last = items.at(-1);
      return isMore && last ? { items, next: last.queue } : { items };
    } catch (error) {
      return { items: [], unknown: (error as Error).message };
    }
  }

  /** Ends one that no session holds. */
  async end(queue: string): Promise<DurableEnding> {
    const { durableSubscriptions: source } = this.broker;
    if (!source) return { result: 'missing' };
    try {
      return { result: await source.end(queue) };
    } catch (error) {
      return { unknown: (error as Error).message };
    }
  }

  /** Ends all of a user whose sessions have been ended; `hadSessions` if there were any here. */
  async revoke(user: string, hadSessions: boolean): Promise<DurableRevocation> {
    const ending = this.enqueue(user, TRIES_MAX, hadSessions);
    const late = 'They are still being ended: list the durable subscriptions of this user later.';
    return withDeadline(ending, WAIT_MS, () => new Error(late)).catch((error: unknown) => ({
      ended: 0,
      unknown: (error as Error).message,
    }));
  }

  private enqueue(user: string, tries: number, isAgain: boolean): Promise<DurableRevocation> {
    const ending = this.queue.then(() => this.endAll(user, tries, isAgain));
    this.queue = ending;
    return ending;
  }

  private async endAll(user: string, tries: number, isAgain: boolean): Promise<DurableRevocation> {
    const { durableSubscriptions: source, capabilities } = this.broker;
    if (!source) return { ended: 0, ...(capabilities.durable && { unknown: NO_LIST }) };
    try {
      const ended = await endEach(source, user);
      if (ended > 0) this.log.info({ user, ended }, 'durable subscriptions of a revoked user ended');
      if (isAgain) this.later(user, 1);
      return { ended };
    } catch (error) {
      const { code, message } = error as { code?: unknown; message: string };
      const isFinal = code === 'not-supported' || tries <= 1;
      if (isFinal) this.log.warn({ user, reason: message }, 'durable subscriptions of a revoked user may remain');
      else this.later(user, tries - 1);
      return { ended: 0, unknown: message };
    }
  }

  private later(user: string, tries: number): void {
    setTimeout(() => void this.enqueue(user, tries, false), AGAIN_MS).unref();
  }
}

async function endEach(source: DurableSubscriptions, user: string): Promise<number> {
  let ended = 0;
  let after: string | undefined;
  for (;;) {
    const { items, isMore } = await source.list({ user, after, limit: PAGE });
    // Another relay may end some of them at the same time
    for (const { queue } of items) if ((await source.end(queue, { evenInUse: true })) !== 'in-use') ended++;
    after = items.at(-1)?.queue;
    if (!isMore || after === undefined) return ended;
  }
}
