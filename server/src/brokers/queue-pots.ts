/**
 * The pots of the queues at a broker. Durable subscriptions and reply queues have pots of their own, so that queues
 * which clients make cannot take the room for replies.
 */
import type { Account } from '../load/accounts.js';
import type { SharedPot } from '../load/shared-pot.js';
import type { SharedPots } from '../load/shared-pots.js';
import { BrokerError } from './broker.js';
import { isDurableName } from './durable-names.js';
import { isReplyName } from './queue-plan.js';

export interface QueueBounds {
  readonly queuesMax: number;
  readonly durableQueuesMax: number;
  readonly replyQueuesMax: number;
}

/** `account` is that of the maker. */
export interface OwnedQueue {
  readonly name: string;
  readonly account: Account;
}

const REPLIES_WAY_OUT =
  'use one temporary queue for all requests of a session, with correlation-id, or try again later';

export class QueuePots {
  private readonly made: SharedPot;
  private readonly durable: SharedPot;
  private readonly replies: SharedPot;

  /** `section` has the bounds in the configuration. */
  constructor(pots: SharedPots, section: 'memory' | 'rabbitmq', bounds: QueueBounds) {
    const isOldBound = section === 'memory';
    this.made = pots.create({
      limit: `${section}.queuesMax`,
      max: bounds.queuesMax,
      things: 'queues',
      wayOut: 'use existing queues, let unused queues expire (x-expires), or try again later',
      isOldBound,
    });
    this.durable = pots.create({
      limit: `${section}.durableQueuesMax`,
      max: bounds.durableQueuesMax,
      things: 'durable subscriptions',
      wayOut: 'end some (UNSUBSCRIBE with durable:true), or try again later',
      isOldBound,
    });
    this.replies = pots.create({
      limit: `${section}.replyQueuesMax`,
      max: bounds.replyQueuesMax,
      things: 'temporary queues for replies',
      wayOut: REPLIES_WAY_OUT,
      isOldBound,
    });
  }

  /** Throws `too-many-queues`. */
  take({ name, account }: OwnedQueue): void {
    const refusal = this.of(name).take(account);
    if (refusal) throw new BrokerError('too-many-queues', refusal.sentence);
  }

  release({ name, account }: OwnedQueue): void {
    this.of(name).release(account);
  }

  private of(queue: string): SharedPot {
    if (isReplyName(queue)) return this.replies;
    return isDurableName(queue) ? this.durable : this.made;
  }
}
