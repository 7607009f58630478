/**
 * A second way for messages that RabbitMQ nacks again and again. After the death of a quorum queue's leader, a channel of
 * RabbitMQ 3 that has published to the queue can nack for minutes, while a new channel finds the new leader at once. So
 * such a message moves to a new channel, with a connection of its own, and the later messages of its user follow it for
 * a while. If that channel nacks too, the next one is opened after some seconds. The channels of all other users stay.
 */
import { LRUCache } from 'lru-cache';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import type { Outgoing } from './outgoing.js';
import type { OwnBindings } from './own-bindings.js';
import type { Publisher } from './publisher.js';
import { SeparatePublisher } from './separate-publisher.js';

/** Before that, a nack can be that of a full queue. */
const NACKS_BEFORE = 3;
/** The time between two new channels. */
const RENEW_MS = 10_000;
const FOLLOW_MS = 30_000;
const FOLLOWERS_MAX = 1_000;

export class FreshPublisher {
  private current: SeparatePublisher | undefined;
  private renewedAt = -Infinity;
  private isClosed = false;
  /** Earlier ones that have unsettled messages. */
  private readonly former = new Set<SeparatePublisher>();
  /** The users whose messages follow. */
  private readonly followers = new LRUCache<string, true>({
    max: FOLLOWERS_MAX,
    ttl: FOLLOW_MS,
    perf: performance,
  });

  constructor(
    private readonly topology: Topology,
    private readonly bindings: OwnBindings,
    private readonly options: RabbitMqOptions,
    private readonly onBlamed: (user: string) => void,
  ) {}

  get count(): number {
    return this.all.reduce((sum, { count }) => sum + count, 0);
  }

  get bytes(): number {
    return this.all.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  private get all(): readonly SeparatePublisher[] {
    return this.current ? [this.current, ...this.former] : [...this.former];
  }

  /** The publisher of a user whose messages were nacked a while ago. */
  of(user: string): Publisher | undefined {
    return this.followers.size > 0 && this.followers.has(user) ? this.current?.open() : undefined;
  }

  /** Takes over a message that `from` has had nacked. False if `from` must send it again itself. */
  takeOver(outgoing: Outgoing, from: Publisher): boolean {
    const { nacks, user } = outgoing;
    if (nacks < NACKS_BEFORE || user === '' || this.isClosed) return false;
    if (this.current === undefined || (from === this.current.open() && this.isDue)) this.renew();
    const publisher = this.current!.open();
    if (publisher === from) return false;
    this.followers.set(user, true);
    publisher.adopt(outgoing);
    return true;
  }

  private get isDue(): boolean {
    return performance.now() - this.renewedAt >= RENEW_MS;
  }

  private renew(): void {
    const { topology, bindings, options, onBlamed } = this;
    if (this.current) this.former.add(this.current);
    for (const each of this.former) if (each.count === 0) this.end(each);
    this.renewedAt = performance.now();
    this.current = new SeparatePublisher('publish again', topology, bindings, options, { onBlamed, secondWay: this });
  }

  private end(former: SeparatePublisher): void {
    this.former.delete(former);
    void former.close();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await Promise.all(this.all.map((each) => each.close()));
  }
}
