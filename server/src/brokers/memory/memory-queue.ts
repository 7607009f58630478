/**
 * A queue: waiting messages, their consumers, and the limits that its arguments set.
 *
 *          offer            dispatch              settle('ack')
 *   publish ---> ready ----------------> unsettled -----------> gone
 *                  |  ^---------------------'  '
 *                  |      settle('requeue')    ' settle('drop')
 *                  '---> dead-lettered <-------'
 *           expired, over a limit
 *
 * A published message goes to a waiting consumer at once. Everything that follows from settling happens in a later turn
 * of the event loop, so a consumer that requeues everything cannot block the loop.
 */
import type { Account } from '../../load/accounts.js';
import type { PotRefusal, SharedPot } from '../../load/shared-pot.js';
import type { FairTurns } from '../../timing/fair-turns.js';
import { BrokerError } from '../broker.js';
import type { Outcome } from '../broker.js';
import type { ExchangeMessage } from '../exchange-message.js';
import { messageBytes } from '../message-checks.js';
import type { QueueDeclaration } from '../queue-plan.js';
import { ConsumerRing } from './consumer-ring.js';
import type { DeadLetters } from './dead-letters.js';
import { DeathHistory } from './death-history.js';
import type { DeathReason } from './death-history.js';
import type { DeliverySource, MemoryConsumer } from './memory-consumer.js';
import type { QueueLimits } from './queue-limits.js';
import { ReadyMessages } from './ready-messages.js';
import type { StoredMessage } from './stored-message.js';

export interface QueueHost {
  readonly storage: SharedPot;
  /** For queues that have a dead-letter exchange. */
  readonly deadLetters: DeadLetters;
  /** The turns of all queues: each turn is a call of `dispatch`. */
  readonly turns: Pick<FairTurns<MemoryQueue>, 'enter' | 'leave'>;
  /** The queue was unused for `x-expires`, or its last consumer has left. */
  unused(queue: MemoryQueue): void;
}

/** Maximum number of deliveries in one turn of the event loop. Accounts take turns with `QueueHost.turns`. */
const TURN_MAX = 256;
/** The longest delay of a Node timer. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class MemoryQueue implements DeliverySource {
  /**
   * True if messages come from an exchange. Then the account of the queue pays for their bytes, because their sender
   * cannot know how many queues are bound. Other messages count for their sender.
   */
  isBound = false;
  private readonly ready: ReadyMessages;
  private readonly unsettled = new Set<StoredMessage>();
  private readonly consumers: ConsumerRing;
  private readonly onDeleted: (() => void)[] = [];
  private lastPosition = 0;
  private isDeleted = false;
  private isDispatching = false;
  private expiryTimer: NodeJS.Timeout | undefined;
  private expiryAt = Infinity;
  private lastUse = 0;
  private unusedTimer: NodeJS.Timeout | undefined;

  constructor(
    readonly name: string,
    readonly declaration: QueueDeclaration,
    readonly limits: QueueLimits,
    private readonly host: QueueHost,
    /** The account of the client that made it. */
    readonly account: Account,
  ) {
    this.ready = new ReadyMessages(limits.maxPriority);
    this.consumers = new ConsumerRing(limits.singleActiveConsumer);
    this.touch();
  }

  get consumerCount(): number {
    return this.consumers.size;
  }

  get messageCount(): number {
    return this.ready.length + this.unsettled.size;
  }

  /** Accepts a message, or returns the reason for the refusal. */
  offer(message: ExchangeMessage, sender: Account, deaths: DeathHistory): BrokerError | undefined {
    const stored = this.store(message, this.isBound ? this.account : sender, deaths);
    if (this.limits.overflow !== 'drop-head' && this.isOver(1, message.body.length)) {
      if (this.limits.overflow === 'reject-publish-dlx') this.bury(stored, 'maxlen');
      return new BrokerError(
        'publish-refused',
        `Queue "${this.name}" is full: it holds x-max-length (${this.limits.maxLength}) messages or x-max-length-bytes ` +
          `(${this.limits.maxBytes}), and refuses more (x-overflow:${this.limits.overflow}). Try again when messages have been consumed.`,
      );
    }
    const refusal = this.makeRoom(stored);
    // The sender cannot help a queue whose account has its share
    if (refusal) return this.isBound && refusal.bound === 'share' ? undefined : storageRefusal(refusal);
    this.ready.add(stored);
    this.dispatch();
    return undefined;
  }

  /** Counts the bytes of a message. A bound queue whose account has its share loses its oldest messages. */
  private makeRoom({ payer, bytes, deaths }: StoredMessage): PotRefusal | undefined {
    const { storage } = this.host;
    if (deaths !== DeathHistory.empty && !this.isBound) return storage.takeAgain(payer, bytes);
    const refusal = storage.take(payer, bytes);
    if (refusal?.bound !== 'share' || !this.isBound) return refusal;
    while (this.ready.length > 0 && storage.boundFor(payer, bytes)) this.buryReady(this.ready.take()!, 'maxlen');
    return storage.boundFor(payer, bytes) ? refusal : storage.take(payer, bytes);
  }

  /** Throws `queue-in-use`. The first delivery happens in a later turn of the event loop. */
  addConsumer(consumer: MemoryConsumer): void {
    if (this.consumers.hasExclusive || (consumer.settings.exclusive && this.consumers.size > 0)) {
      throw new BrokerError(
        'queue-in-use',
        `The queue already has a consumer, and one of the two is exclusive: end the other subscription first.`,
      );
    }
    this.consumers.add(consumer);
    this.touch();
    this.dispatchLater();
  }

  removeConsumer(consumer: MemoryConsumer): void {
    this.consumers.delete(consumer);
    if (this.isDeleted) return;
    if (this.consumers.size === 0 && this.declaration.autoDelete) return this.host.unused(this);
    this.touch();
    this.dispatchLater();
  }

  settle(stored: StoredMessage, outcome: Outcome): void {
    if (!this.unsettled.delete(stored)) return;
    const isReturned = outcome === 'requeue' || outcome === 'again';
    if (isReturned && ++stored.returns <= this.limits.deliveryLimit) {
      stored.redelivered = true;
      this.ready.add(stored);
    } else {
      this.free(stored);
      if (outcome !== 'ack') this.bury(stored, outcome === 'drop' ? 'rejected' : 'delivery_limit');
    }
    this.dispatchLater();
  }

  /** A repeated declaration counts as use. Each SEND to `/queue/NAME` is one, so the timer stays as it is. */
  touch(): void {
    this.lastUse = performance.now();
    if (this.unusedTimer === undefined) this.watchUse();
  }

  whenDeleted(action: () => void): void {
    this.onDeleted.push(action);
  }

  delete(): void {
    this.isDeleted = true;
    clearTimeout(this.unusedTimer);
    clearTimeout(this.expiryTimer);
    this.host.turns.leave(this, this.account ?? '');
    for (let stored = this.ready.take(); stored; stored = this.ready.take()) this.free(stored);
    for (const stored of this.unsettled) this.free(stored);
    this.unsettled.clear();
    for (const action of this.onDeleted) action();
  }

  private store(message: ExchangeMessage, payer: Account, deaths: DeathHistory): StoredMessage {
    const { messageTtlMs = Infinity, maxPriority } = this.limits;
    const expiration = Number(message.headers.get('expiration') ?? Infinity);
    return {
      message,
      bytes: messageBytes(message),
      payer,
      priority: maxPriority === 0 ? 0 : Number(message.headers.get('priority') ?? 0),
      expiresAt: performance.now() + Math.min(expiration, messageTtlMs),
      position: ++this.lastPosition,
      deaths,
      redelivered: false,
      returns: 0,
    };
  }

  /** Delivers waiting messages, then removes those that must not wait any longer. */
  dispatch(): void {
    if (this.isDispatching || this.isDeleted) return;
    this.isDispatching = true;
    this.buryExpired(performance.now() - 1); // A message with a TTL of 0 may still reach a waiting consumer
    const isDone = this.deliverReady();
    this.isDispatching = false;
    if (!isDone) return this.dispatchLater();
    this.buryExpired(performance.now());
    while (this.isOver(0, 0)) this.buryReady(this.ready.take()!, 'maxlen');
    this.watchExpiry();
  }

  /** False if more messages can be delivered but other work of the process comes first. */
  private deliverReady(): boolean {
    for (let count = 0; count < TURN_MAX; count++) {
      const consumer = this.ready.length > 0 ? this.consumers.next() : undefined;
      if (!consumer) return true;
      const stored = this.ready.take()!;
      this.unsettled.add(stored);
      consumer.take(stored);
    }
    return false;
  }

  private dispatchLater(): void {
    if (!this.isDeleted) this.host.turns.enter(this, this.account ?? '');
  }

  private isOver(moreMessages: number, moreBytes: number): boolean {
    const { maxLength, maxBytes } = this.limits;
    return this.ready.length + moreMessages > maxLength || this.ready.bytes + moreBytes > maxBytes;
  }

  private buryExpired(now: number): void {
    for (let stored = this.ready.takeExpired(now); stored; stored = this.ready.takeExpired(now)) {
      this.buryReady(stored, 'expired');
    }
  }

  private buryReady(stored: StoredMessage, reason: DeathReason): void {
    this.free(stored);
    this.bury(stored, reason);
  }

  private free({ payer, bytes }: StoredMessage): void {
    this.host.storage.release(payer, bytes);
  }

  private bury(stored: StoredMessage, reason: DeathReason): void {
    if (this.limits.deadLetterExchange === undefined) return;
    this.host.deadLetters.add({ limits: this.limits, stored, death: { queue: this.name, reason } });
  }

  private watchUse(): void {
    this.unusedTimer = undefined;
    const { expiresMs } = this.limits;
    if (expiresMs === undefined || this.consumers.size > 0) return;
    const wait = this.lastUse + expiresMs - performance.now();
    if (wait <= 0) return this.host.unused(this);
    this.unusedTimer = setTimeout(() => this.watchUse(), Math.min(wait, TIMER_MAX_MS)).unref();
  }

  private watchExpiry(): void {
    const next = this.ready.nextExpiry;
    if (next === this.expiryAt) return;
    clearTimeout(this.expiryTimer);
    this.expiryAt = next;
    if (next === Infinity) return;
    const wait = Math.min(Math.max(next - performance.now(), 1), TIMER_MAX_MS);
    this.expiryTimer = setTimeout(() => {
      this.expiryAt = Infinity;
      this.dispatch();
    }, wait);
    this.expiryTimer.unref();
  }
}

export function storageRefusal({ sentence }: PotRefusal): BrokerError {
  return new BrokerError('publish-refused', sentence);
}
