/**
 * The bindings of an instance queue: those of its subscriptions on their exchange, and those of lanes, which many
 * subscriptions share. Without lanes each pattern has its own.
 */
import type { Account } from '../../../load/accounts.js';
import type { BrokerError } from '../../broker.js';
import { keysOf } from '../../queue-plan.js';
import type { QueueBinding } from '../../queue-plan.js';
import { SCRATCH_CHANNELS_EACH } from '../amqp/scratch-channels.js';
import type { LanePlan } from '../lanes/lane-plan.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import { KeyBindings } from './key-bindings.js';
import type { BindingOperations } from './key-bindings.js';

export type BoundKeys = Pick<QueueBinding, 'key' | 'otherKey'>;

export interface InstanceBindingsParts {
  readonly exchange: string;
  readonly own: OwnBindings;
  /** Absent without lanes. */
  readonly lanes: LanePlan | undefined;
  /** Makes and removes bindings to the exchange. Rejections are coded. */
  readonly operationsOn: (exchange: string) => BindingOperations;
  /** RabbitMQ will not bind the pattern again. */
  readonly refused: (pattern: string, error: BrokerError) => void;
}

/**
 * Deleting an exchange deletes its bindings, without an event. That of lanes has no canaries. Shards without
 * subscriptions keep their bindings until then: a client that comes and goes with `/topic/#` needs all of them.
 */
const CHECK_MS = 10_000;

interface Bound {
  readonly key: string;
  readonly at: SharedKeys;
  /** The pattern that shares the key with others; undefined for a key of its own. */
  readonly pattern?: string;
}

export class InstanceBindings {
  private readonly subscribed: SharedKeys;
  private readonly shards: SharedKeys | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly parts: InstanceBindingsParts) {
    const { exchange, lanes } = parts;
    this.subscribed = new SharedKeys(exchange, parts);
    this.shards = lanes && new SharedKeys(lanes.exchange, parts);
  }

  /** Bindings that the broker has not created or removed yet. */
  get pending(): number {
    return this.subscribed.bindings.pending + (this.shards?.bindings.pending ?? 0);
  }

  /** Resolves when the pattern is bound; rejects if the broker refuses it. Undefined if it is already bound. */
  request(keys: BoundKeys, account: Account): Promise<unknown> | undefined {
    const waits = this.boundFor(keys).flatMap(({ key, at, pattern }) => at.request(key, pattern, account) ?? []);
    return waits.length > 0 ? Promise.all(waits) : undefined;
  }

  /** For a pattern without listeners. Resolves when the broker has removed what only this pattern needed. */
  async drop(keys: BoundKeys): Promise<void> {
    const dropped: Promise<void>[] = [];
    for (const { key, at, pattern } of this.boundFor(keys)) {
      if (at === this.shards) at.release(key, pattern);
      else dropped.push(at.drop(key, pattern));
    }
    await Promise.all(dropped);
  }

  private boundFor(keys: BoundKeys): Bound[] {
    const { exchange, lanes } = this.parts;
    if (!lanes) return keysOf(keys).map((key) => ({ key, at: this.subscribed }));
    const { own, shards } = lanes.keysFor({ exchange, ...keys });
    const pattern = keys.key;
    return [
      ...own.map((key) => ({ key, at: this.subscribed, pattern })),
      ...shards.map((key) => ({ key, at: this.shards!, pattern })),
    ];
  }

  /** `patterns`: those with the most listeners come first. */
  attach(queue: string, patterns: readonly string[]): void {
    // The set-up of a queue can end after `close`
    if (this.isClosed) return;
    this.shards?.attach(queue, []);
    this.subscribed.attach(queue, patterns);
    clearInterval(this.timer);
    if (this.shards) this.timer = setInterval(() => this.bindShardsAgain(queue), CHECK_MS);
  }

  private bindShardsAgain(queue: string): void {
    this.shards!.dropReleased();
    this.shards!.bindings.doubt();
    this.shards!.attach(queue, []);
  }

  /** The queue is out of reach. */
  detach(): void {
    clearInterval(this.timer);
    this.subscribed.bindings.detach();
    this.shards?.bindings.detach();
  }

  /** Any binding may be missing at the broker. */
  doubt(): void {
    this.subscribed.bindings.doubt();
    this.shards?.bindings.doubt();
  }

  /** Rejects all waiting callers. */
  close(error: BrokerError): void {
    this.isClosed = true;
    clearInterval(this.timer);
    this.subscribed.bindings.close(error);
    this.shards?.bindings.close(error);
  }
}

/** Keys on one exchange, each for one pattern or, with lanes, for several. */
class SharedKeys {
  readonly bindings: KeyBindings;
  /** The patterns that need a key. */
  private readonly patternsOf = new Map<string, Set<string>>();

  constructor(exchange: string, { operationsOn, own, refused }: InstanceBindingsParts) {
    const end = (key: string, error: BrokerError): void => {
      for (const pattern of this.patternsOf.get(key) ?? [key]) refused(pattern, error);
    };
    const operations = operationsOn(exchange);
    this.bindings = new KeyBindings(operations, SCRATCH_CHANNELS_EACH, end, (isWhole) => own.report(this, isWhole));
  }

  request(key: string, pattern: string | undefined, account: Account): Promise<void> | undefined {
    if (pattern !== undefined) this.patternsOf.set(key, (this.patternsOf.get(key) ?? new Set()).add(pattern));
    return this.bindings.request(key, account);
  }

  async drop(key: string, pattern: string | undefined): Promise<void> {
    if (this.release(key, pattern)) return;
    this.patternsOf.delete(key);
    await this.bindings.drop(key);
  }

  /** The binding stays. Returns whether another pattern needs the key. */
  release(key: string, pattern: string | undefined): boolean {
    const patterns = pattern === undefined ? undefined : this.patternsOf.get(key);
    patterns?.delete(pattern!);
    return patterns !== undefined && patterns.size > 0;
  }

  dropReleased(): void {
    for (const [key, { size }] of this.patternsOf) if (size === 0) void this.drop(key, undefined);
  }

  attach(queue: string, patterns: readonly string[]): void {
    this.bindings.attach(queue, [...this.patternsOf.keys(), ...patterns]);
  }
}
