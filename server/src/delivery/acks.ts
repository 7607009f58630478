/**
 * The deliveries that a session must still acknowledge. Only this ledger settles them at the broker: an id that it does
 * not hold is an error of the client and goes no further.
 *
 * In `client` mode, ACK and NACK are cumulative within one subscription (STOMP 1.2, "SUBSCRIBE ack Header"); in
 * `client-individual` mode they mean one message. An ACK inside a transaction claims its ids at once, so that they
 * cannot be acknowledged twice, and settles them at COMMIT. ABORT returns them.
 */
import type { Outcome, Settlement } from '../brokers/broker.js';
import { StompError } from '../stomp/errors.js';

/** The unsettled deliveries of one subscription. */
export class AckQueue {
  /** Oldest first, if `isInOrder`. */
  readonly unsettled = new Map<string, Settlement>();
  isInOrder = true;
  /**
   * True when the subscription has ended and its grace period is over: returned deliveries then go back to the broker.
   */
  isOver = false;
  constructor(
    /** As the client wrote it; 1.1 clients repeat it in ACK. */
    readonly subscriptionId: string | undefined,
    readonly isCumulative: boolean,
  ) {}
}

type Settlements = Iterable<readonly [string, Settlement]>;

/** Deliveries that an ACK or NACK has removed from the ledger and not settled yet. */
export interface Claim {
  readonly queue: AckQueue;
  readonly settlements: ReadonlyMap<string, Settlement>;
}

export class Acks {
  private readonly queueOf = new Map<string, AckQueue>();

  get size(): number {
    return this.queueOf.size;
  }

  add(queue: AckQueue, id: string, settlement: Settlement): void {
    queue.unsettled.set(id, settlement);
    this.queueOf.set(id, queue);
  }

  /**
   * Removes the deliveries that an ACK or NACK of `id` covers. Throws StompError `unknown-ack` if the id was never
   * assigned, is already settled or claimed, or belongs to another subscription than the named one.
   */
  claim(id: string, subscriptionId: string | undefined): Claim {
    const queue = this.queueOf.get(id);
    if (!queue || (subscriptionId !== undefined && subscriptionId !== queue.subscriptionId)) {
      const scope = subscriptionId === undefined ? '' : ` of subscription "${subscriptionId}"`;
      throw new StompError(
        'unknown-ack',
        `No unacknowledged message${scope} has the id "${id}": acknowledge each message once, in an ack mode other than auto.`,
      );
    }
    const settlements = new Map<string, Settlement>();
    for (const [each, settlement] of queue.isCumulative ? queue.unsettled : [[id, queue.unsettled.get(id)] as const]) {
      if (settlement) settlements.set(each, settlement);
      if (each === id) break;
    }
    for (const each of settlements.keys()) {
      queue.unsettled.delete(each);
      this.queueOf.delete(each);
    }
    return { queue, settlements };
  }

  /**
   * Returns the claims of an aborted transaction. All at once, because a session can have tens of thousands of
   * deliveries and a transaction a thousand claims. Only cumulative ACKs depend on the order before the end.
   */
  restore(claims: readonly Claim[]): void {
    for (const [queue, settlements] of byQueue(claims)) {
      if (queue.isOver) settleEach(settlements, 'requeue');
      else if (queue.isCumulative) this.addAll(queue, inOrder(settlements, queue));
      else {
        this.addAll(queue, settlements);
        queue.isInOrder = false;
      }
    }
  }

  private addAll(queue: AckQueue, settlements: Settlements): void {
    for (const [id, settlement] of settlements) this.add(queue, id, settlement);
  }

  /** Ends the part of a subscription: requeues its remaining deliveries at the broker. */
  giveBack(queue: AckQueue): void {
    queue.isOver = true;
    for (const [id, settlement] of queue.isInOrder ? queue.unsettled : inOrder([], queue)) {
      this.queueOf.delete(id);
      settlement.settle('requeue');
    }
    queue.unsettled.clear();
  }
}

export function settle(claim: Claim, outcome: Outcome): void {
  settleEach(claim.settlements, outcome);
}

function settleEach(settlements: Settlements, outcome: Outcome): void {
  for (const [, settlement] of settlements) settlement.settle(outcome);
}

function byQueue(claims: readonly Claim[]): Map<AckQueue, [string, Settlement][]> {
  const found = new Map<AckQueue, [string, Settlement][]>();
  for (const { queue, settlements } of claims) {
    const known = found.get(queue) ?? [];
    for (const each of settlements) known.push(each);
    found.set(queue, known);
  }
  return found;
}

/** The restored and all other deliveries of a queue, oldest first. Takes the others from the queue. */
function inOrder(restored: Settlements, { unsettled }: AckQueue): Settlements {
  const all = [...restored, ...unsettled].map((entry) => ({ entry, age: ageOf(entry[0]) }));
  unsettled.clear();
  return all.sort((one, other) => one.age - other.age).map(({ entry }) => entry);
}

/** Ids end in a counter in base 36 (`MessageEncoder.nextId`). */
function ageOf(id: string): number {
  return parseInt(id.slice(id.lastIndexOf('-') + 1), 36);
}
