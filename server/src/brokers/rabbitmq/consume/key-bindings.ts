/**
 * The bindings of one queue to one exchange, one per key. Subscribing only changes the desired state; up to
 * `operationsMax` workers reconcile the broker with it. A worker reads the latest desired state when it reaches a key,
 * runs one operation per key at a time, and alternates between binding and unbinding. So a key that is dropped and
 * requested again while it waits costs nothing, and all callers that request a key share one operation. Keys that
 * callers wait for come before the keys that a new queue has to get back. Among both, the accounts of the callers take
 * turns.
 */
import type { Account } from '../../../load/accounts.js';
import type { BrokerError } from '../../broker.js';
import type { Deferred } from '../amqp/wait-deadline.js';
import { deferred } from '../amqp/wait-deadline.js';
import { KeyQueue } from './key-queue.js';

/** The operations at the broker. Their rejections are coded. */
export interface BindingOperations {
  bind(queue: string, key: string): Promise<void>;
  unbind(queue: string, key: string): Promise<void>;
}

interface Entry {
  /** The first accounts that have requested the key. Another account with many keys cannot delay it for these. */
  readonly accounts: string[];
  desired: boolean;
  /**
   * `unsure` once an operation has started: the broker may have done it even if no answer comes. `if-kept` while the
   * queue is detached: bound if the same queue is attached again.
   */
  bound: boolean | 'unsure' | 'if-kept';
  /** Settled when the broker matches the desired state, or refuses it. */
  settled: Deferred<void>;
}

const RETRY_MS = 1_000;
/** More would cost memory for each key of a popular topic. */
const ACCOUNTS_MAX = 4;

export class KeyBindings {
  private readonly entries = new Map<string, Entry>();
  /** Keys to process: newly requested, to be restored on a new queue, to be removed. */
  private readonly toBind = new KeyQueue();
  private readonly toRestore = new KeyQueue();
  private readonly toUnbind = new Set<string>();
  private lastWasBind = false;
  /** Undefined without a connection. */
  private queue: string | undefined;
  private lastQueue: string | undefined;
  private running = 0;
  /** Keys with an operation in progress. */
  private readonly inFlight = new Set<string>();
  private readonly toRetry = new Set<string>();
  private retry: NodeJS.Timeout | undefined;
  /** Keys that were bound when a queue was lost and are not bound again yet. */
  private readonly lost = new Set<string>();

  /** Runs at most `operationsMax` operations at a time. `refused` is called for keys that will not be bound. */
  constructor(
    private readonly operations: BindingOperations,
    private readonly operationsMax: number,
    private readonly refused: (key: string, error: BrokerError) => void = () => undefined,
    /** Called with false when a loss may have removed bindings, and with true when none of them is missing any more. */
    private readonly whole: (isWhole: boolean) => void = () => undefined,
  ) {}

  /** Bindings that the broker has not created or removed yet, including those that wait for the broker. */
  get pending(): number {
    let count = 0;
    for (const entry of this.entries.values()) if (entry.desired !== entry.bound) count++;
    return count;
  }

  /** Resolves when the key is bound; rejects if the broker refuses it. Undefined if it is already bound. */
  request(key: string, account?: Account): Promise<void> | undefined {
    const entry = this.setDesired(key, true, account ?? '');
    return entry.bound === true ? undefined : entry.settled.promise;
  }

  /** Resolves when the broker has removed the binding, or a caller requests the key again; at once without a queue. */
  drop(key: string): Promise<void> {
    const dropped = this.entries.has(key) ? this.setDesired(key, false).settled.promise : undefined;
    return this.queue === undefined || !dropped ? Promise.resolve() : dropped;
  }

  private setDesired(key: string, desired: boolean, account?: string): Entry {
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { accounts: [], desired: !desired, bound: false, settled: deferred() };
      this.entries.set(key, entry);
    }
    const { accounts } = entry;
    if (account !== undefined && accounts.length < ACCOUNTS_MAX && !accounts.includes(account)) accounts.push(account);
    if (entry.desired !== desired) {
      entry.settled.resolve();
      entry.settled = deferred();
      entry.desired = desired;
    }
    if (!desired) this.restored(key);
    this.settle(key, entry);
    this.run();
    return entry;
  }

  /**
   * Binds the desired keys: first those that callers wait for, then the others, for each account in the given order. The
   * queue is either new and without bindings, or the detached one with the bindings that it had. In the second case only
   * the keys that were requested or dropped meanwhile, or got no answer, cost an operation.
   */
  attach(queue: string, keys: readonly string[]): void {
    const isNew = queue !== this.lastQueue;
    this.queue = this.lastQueue = queue;
    for (const [key, entry] of this.entries) {
      if (isNew) entry.bound = false;
      else if (entry.bound === 'if-kept') entry.bound = true;
      if (!entry.desired || entry.bound === true) this.settle(key, entry);
    }
    for (const key of keys) {
      const entry = this.entries.get(key);
      const isMissing = entry?.desired === true && entry.bound !== true;
      if (isMissing && !this.toBind.has(key)) this.toRestore.add(key, entry.accounts);
    }
    this.run();
  }

  /** The queue is out of reach, and perhaps lost with its bindings. Callers that wait for a binding wait for the next queue. */
  detach(): void {
    this.queue = undefined;
    clearTimeout(this.retry);
    this.retry = undefined;
    this.toRestore.clear();
    this.toUnbind.clear();
    this.toRetry.clear();
    for (const [key, entry] of this.entries) {
      if (entry.bound === true && entry.desired) {
        entry.settled = deferred();
        this.lost.add(key);
      }
      if (entry.bound === true) entry.bound = 'if-kept';
    }
    if (this.lost.size > 0) this.whole(false);
  }

  /** Any binding may be missing at the broker: all are made again when a queue is attached. */
  doubt(): void {
    for (const entry of this.entries.values()) if (entry.bound !== false) entry.bound = 'unsure';
  }

  /** Rejects all waiting callers. */
  close(error: BrokerError): void {
    this.detach();
    for (const { settled } of this.entries.values()) settled.reject(error);
  }

  private run(): void {
    while (this.running < this.operationsMax) {
      const key = this.next();
      if (key === undefined) return;
      this.running++;
      void this.work(key);
    }
  }

  private async work(first: string): Promise<void> {
    for (let key: string | undefined = first; key !== undefined; key = this.next()) await this.reconcile(key);
    this.running--;
  }

  /** Alternates, so that thousands of unsubscribing clients do not block one that subscribes, or the reverse. */
  private next(): string | undefined {
    if (this.queue === undefined) return undefined;
    const canAdd = this.toBind.size + this.toRestore.size > 0;
    this.lastWasBind = this.toUnbind.size === 0 || (canAdd && !this.lastWasBind);
    if (!this.lastWasBind) return takeFirst(this.toUnbind);
    return this.toBind.next() ?? this.toRestore.next();
  }

  private async reconcile(key: string): Promise<void> {
    const entry = this.entries.get(key);
    const queue = this.queue;
    if (!entry || queue === undefined || this.inFlight.has(key)) return;
    if (entry.desired === entry.bound) return this.settle(key, entry);
    const { desired } = entry;
    this.inFlight.add(key);
    entry.bound = 'unsure';
    const answer = desired ? this.operations.bind(queue, key) : this.operations.unbind(queue, key);
    const error = await answer.then(
      () => undefined,
      (reason: unknown) => reason as BrokerError,
    );
    this.inFlight.delete(key);
    if (this.queue !== queue) return this.again(key);
    if (error?.code !== 'broker-unavailable') entry.bound = desired === (error === undefined);
    if (error && entry.desired === desired) this.failed(key, entry, error);
    else this.settle(key, entry);
  }

  /** The answer belongs to an earlier queue; the state that was requested meanwhile has waited for it. */
  private again(key: string): void {
    const entry = this.entries.get(key);
    if (entry) this.settle(key, entry);
  }

  private settle(key: string, entry: Entry): void {
    // The answer will settle it
    if (this.inFlight.has(key)) return;
    if (entry.desired !== entry.bound) {
      if (entry.desired) this.toBind.add(key, entry.accounts);
      else this.toUnbind.add(key);
      return;
    }
    if (!entry.desired) this.entries.delete(key);
    entry.settled.resolve();
    this.restored(key);
  }

  /** The key is bound, refused, or no longer desired. */
  private restored(key: string): void {
    if (this.lost.delete(key) && this.lost.size === 0) this.whole(true);
  }

  private failed(key: string, entry: Entry, error: BrokerError): void {
    if (error.code !== 'broker-unavailable') {
      // Refused: not tried again before the next connection or the next request for this key
      this.restored(key);
      entry.settled.reject(error);
      entry.settled = deferred();
      if (entry.desired) this.refused(key, error);
      return;
    }
    this.toRetry.add(key);
    this.retry ??= setTimeout(() => this.tryAgain(), RETRY_MS);
  }

  private tryAgain(): void {
    this.retry = undefined;
    const keys = [...this.toRetry];
    this.toRetry.clear();
    for (const key of keys) this.again(key);
    this.run();
  }
}

function takeFirst(keys: Set<string>): string | undefined {
  for (const key of keys) {
    keys.delete(key);
    return key;
  }
  return undefined;
}
