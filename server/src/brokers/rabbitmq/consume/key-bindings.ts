/**
 * The bindings of one queue to one exchange, a key each. Who subscribes and unsubscribes only changes what is wished; a few
 * loops bring the broker into line, one operation for a key at a time, binding and unbinding by turns, and look at the
 * latest wish when they come to a key. So a key that is dropped and wanted again while it waits costs nothing, and all who
 * want the same key wait for the same operation. What a new queue has to be given back comes after what somebody waits for.
 */
import type { BrokerError } from '../../broker.js';
import type { Deferred } from '../amqp/wait-deadline.js';
import { deferred } from '../amqp/wait-deadline.js';

/** What the broker is asked to do. Rejections are coded. */
export interface BindingOperations {
  bind(queue: string, key: string): Promise<void>;
  unbind(queue: string, key: string): Promise<void>;
}

interface Entry {
  desired: boolean;
  /** `unsure` from the moment that the broker is asked: it may have done it, also where its answer never comes. */
  bound: boolean | 'unsure';
  /** Settled when what is wished is so, or refused. */
  settled: Deferred<void>;
}

const RETRY_MS = 1_000;

export class KeyBindings {
  private readonly entries = new Map<string, Entry>();
  /** Keys that the loops have to look at: newly wanted, those of the queue before, and to be let go. */
  private readonly toBind = new Set<string>();
  private readonly toRestore = new Set<string>();
  private readonly toUnbind = new Set<string>();
  private lastWasBind = false;
  /** The queue of the current connection; undefined while there is none. */
  private queue: string | undefined;
  private lastQueue: string | undefined;
  private running = 0;
  /** The keys that the broker is being asked about. */
  private readonly inFlight = new Set<string>();
  private readonly toRetry = new Set<string>();
  private retry: NodeJS.Timeout | undefined;
  /** Keys that were bound when a queue was lost, and are not yet bound again. */
  private readonly lost = new Set<string>();

  /** Asks for at most `operationsMax` things at a time. `refused` is told of keys that will not be bound. */
  constructor(
    private readonly operations: BindingOperations,
    private readonly operationsMax: number,
    private readonly refused: (key: string, error: BrokerError) => void = () => undefined,
    /** Called when a loss has taken bindings (false), and when none of them is missing any more (true). */
    private readonly whole: (isWhole: boolean) => void = () => undefined,
  ) {}

  /** Bindings not yet made or taken back, also those that wait for the broker. */
  get pending(): number {
    let count = 0;
    for (const entry of this.entries.values()) if (entry.desired !== entry.bound) count++;
    return count;
  }

  /** Resolves when the key is bound; rejects where the broker refuses it. Undefined where it is bound. */
  request(key: string): Promise<void> | undefined {
    const entry = this.setDesired(key, true);
    return entry.bound === true ? undefined : entry.settled.promise;
  }

  /** Resolves when the broker has let go, or somebody wants it again; at once while there is no queue. */
  drop(key: string): Promise<void> {
    const dropped = this.entries.has(key) ? this.setDesired(key, false).settled.promise : undefined;
    return this.queue === undefined || !dropped ? Promise.resolve() : dropped;
  }

  private setDesired(key: string, wanted: boolean): Entry {
    let entry = this.entries.get(key);
    if (!entry) {
      entry = { desired: !wanted, bound: false, settled: deferred() };
      this.entries.set(key, entry);
    }
    if (entry.desired !== wanted) {
      entry.settled.resolve();
      entry.settled = deferred();
      entry.desired = wanted;
    }
    if (!wanted) this.restored(key);
    this.settle(key, entry);
    this.run();
    return entry;
  }

  /**
   * Binds all wanted keys, first those that somebody waits for, the others in this order. The queue is new and has no
   * bindings, or it is the one that was detached, and keys that nobody wants any more are still to be unbound.
   */
  attach(queue: string, keys: readonly string[]): void {
    const isNew = queue !== this.lastQueue;
    this.queue = this.lastQueue = queue;
    for (const [key, entry] of this.entries) {
      if (isNew) entry.bound = false;
      if (!entry.desired) this.settle(key, entry);
    }
    for (const key of keys) if (this.entries.get(key)?.desired && !this.toBind.has(key)) this.toRestore.add(key);
    this.run();
  }

  /** The queue is lost, perhaps with its bindings. Who waits for a binding waits for the next queue. */
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
      entry.bound = 'unsure';
    }
    if (this.lost.size > 0) this.whole(false);
  }

  /** For good: nobody waits any more. */
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

  /** By turns: thousands who leave at once must not keep out the one who comes, nor the other way round. */
  private next(): string | undefined {
    if (this.queue === undefined) return undefined;
    const comers = this.toBind.size > 0 ? this.toBind : this.toRestore;
    const isBind = this.toUnbind.size === 0 || (comers.size > 0 && !this.lastWasBind);
    const due = isBind ? comers : this.toUnbind;
    this.lastWasBind = isBind;
    for (const key of due) {
      due.delete(key);
      return key;
    }
    return undefined;
  }

  private async reconcile(key: string): Promise<void> {
    const entry = this.entries.get(key);
    const queue = this.queue;
    if (!entry || queue === undefined || this.inFlight.has(key)) return;
    if (entry.desired === entry.bound) return this.settle(key, entry);
    const { desired: wanted } = entry;
    this.inFlight.add(key);
    entry.bound = 'unsure';
    const asked = wanted ? this.operations.bind(queue, key) : this.operations.unbind(queue, key);
    const error = await asked.then(
      () => undefined,
      (reason: unknown) => reason as BrokerError,
    );
    this.inFlight.delete(key);
    if (this.queue !== queue) return this.again(key);
    if (error?.code !== 'broker-unavailable') entry.bound = wanted === (error === undefined);
    if (error && entry.desired === wanted) this.failed(key, entry, error);
    else this.settle(key, entry);
  }

  /** What was asked about is another queue's matter by now, and what was wished meanwhile has waited for the answer. */
  private again(key: string): void {
    const entry = this.entries.get(key);
    if (entry) this.settle(key, entry);
  }

  private settle(key: string, entry: Entry): void {
    // Settled when the answer is there
    if (this.inFlight.has(key)) return;
    if (entry.desired !== entry.bound) {
      (entry.desired ? this.toBind : this.toUnbind).add(key);
      return;
    }
    if (!entry.desired) this.entries.delete(key);
    entry.settled.resolve();
    this.restored(key);
  }

  /** It is bound, refused, or not wanted any more. */
  private restored(key: string): void {
    if (this.lost.delete(key) && this.lost.size === 0) this.whole(true);
  }

  private failed(key: string, entry: Entry, error: BrokerError): void {
    if (error.code !== 'broker-unavailable') {
      // Refused: not asked again before the next connection, or the next who wants it
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
