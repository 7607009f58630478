/**
 * The deliveries of one queue that the relay has handed over and that RabbitMQ may still count as unacknowledged.
 * RabbitMQ requeues those in order when the channel ends, so they come again first, with `redelivered`. This class
 * recognizes them.
 *
 * The relay never acknowledges its latest delivery. So each time the channel ends, at least that one comes again. If it
 * does not, RabbitMQ has dropped messages: the queue had reached its limit.
 *
 * After a crash, RabbitMQ also delivers messages again that it had settled, before the others and without `redelivered`.
 */
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { RecentlySettled } from './recently-settled.js';

/**
 * `first`: not handed over before. `again`: handed over before. `unsure`: one of the two, because equal messages follow
 * each other.
 */
type Judgement = 'first' | 'again' | 'unsure';

const COMPACT_AT = 1_024;
const PERSISTENT = 2;
const SAMPLE_BYTES = 2_048;

export class HandedOver {
  /** Deliveries on the current channel, oldest first, from `start` on. Their tags follow each other. */
  private entries: (ConsumeMessage | undefined)[] = [];
  private start = 0;
  /** The identities of the deliveries on lost channels, some of which come again. */
  private expected: readonly string[] = [];
  /** The places in `expected` where the latest redelivery can be; undefined before the first delivery. */
  private places: readonly number[] | undefined;
  /** The first place in `expected` that can be that of the latest delivery before the loss. */
  private earliestLast = -1;
  /** An earlier redelivery may have been that one. */
  private mayBeOver = false;
  /** The last of `expected` can expire in the queue. */
  private canExpire = false;
  private readonly recent = new RecentlySettled();
  /** A channel was lost, and since then only messages have come that were handed over before. */
  private isAfterLoss = false;

  /** `missing` is called if RabbitMQ has dropped messages while no channel was open. */
  constructor(private readonly missing: () => void) {}

  get size(): number {
    return this.entries.length - this.start;
  }

  /** Returns how the delivery relates to those before the loss. It MUST be called for every delivery, before `add`. */
  judge(message: ConsumeMessage): Judgement {
    if (!this.isAfterLoss) return 'first';
    const next = this.placesOf(identityOf(message));
    if (next.length === 0) return this.recent.has(sampleOf(message)) ? 'unsure' : this.end();
    // After a crash RabbitMQ has forgotten which messages it had delivered
    const isUnsure = this.mayBeOver || !message.fields.redelivered;
    this.places = next;
    this.mayBeOver ||= next.at(-1)! >= this.earliestLast;
    return isUnsure ? 'unsure' : 'again';
  }

  private placesOf(identity: string): number[] {
    const { expected, places } = this;
    const matching = (place: number): boolean => expected[place] === identity;
    if (places) {
      const next = places.map((place) => place + 1).filter(matching);
      if (next.length > 0 || this.mayBeOver) return next;
    }
    // The messages before may have expired in the queue
    const from = (places?.[0] ?? -1) + 1;
    return [...expected.keys()].filter((place) => place >= from && matching(place));
  }

  /** Everything that was requeued has come again. */
  private end(): Judgement {
    const isHeadMissing = this.expected.length > 0 && this.places === undefined && !this.canExpire;
    this.forgetExpected();
    if (isHeadMissing) this.missing();
    return 'first';
  }

  /** `unsettledMax` is the prefetch count: RabbitMQ has settled all earlier deliveries. */
  add(message: ConsumeMessage, unsettledMax: number): void {
    this.entries.push(message);
    while (this.size > unsettledMax) this.dropOldest();
  }

  /** RabbitMQ has settled the deliveries up to the tag. */
  settled(tag: number): void {
    for (;;) {
      const oldest = this.entries[this.start];
      if (!oldest || oldest.fields.deliveryTag > tag) return;
      this.dropOldest();
    }
  }

  private dropOldest(): void {
    this.remember(this.entries[this.start]!);
    // Releases the message before the next compaction
    this.entries[this.start++] = undefined;
    if (this.start === this.entries.length || this.start === COMPACT_AT) {
      this.entries = this.entries.slice(this.start);
      this.start = 0;
    }
  }

  /** Other messages are gone after a crash. */
  private remember(message: ConsumeMessage): void {
    if (message.properties.deliveryMode === PERSISTENT) this.recent.add(sampleOf(message));
  }

  /** The channel has ended, or has returned the unsettled deliveries. */
  returned(): void {
    const kept = this.entries.slice(this.start) as ConsumeMessage[];
    const rest = this.places ? this.expected.slice(this.places[0]! + 1) : this.expected;
    if (rest.length === 0) this.canExpire = kept.at(-1)?.properties.expiration !== undefined;
    this.earliestLast = kept.length - 1 + this.fewestLeft;
    this.expected = [...kept.map(identityOf), ...rest];
    for (const message of kept) this.remember(message);
    this.isAfterLoss = this.expected.length > 0 || this.recent.size > 0;
    this.entries = [];
    this.start = 0;
    this.places = undefined;
    this.mayBeOver = false;
  }

  /** The number of `expected` that are certainly still to come. */
  private get fewestLeft(): number {
    return this.mayBeOver ? 0 : this.earliestLast - (this.places?.at(-1) ?? -1);
  }

  /** For a new queue, which returns nothing. */
  forget(): void {
    this.entries = [];
    this.start = 0;
    this.recent.clear();
    this.forgetExpected();
  }

  private forgetExpected(): void {
    this.isAfterLoss = false;
    this.expected = [];
    this.earliestLast = -1;
    this.places = undefined;
    this.mayBeOver = false;
  }
}

/** Equal for messages with equal routes, properties and bodies. */
function identityOf(message: ConsumeMessage): string {
  return describe(message, createHash('sha256').update(message.content).digest('base64'));
}

/**
 * For messages that are only marked, so that others may have the same one. Its cost is bounded: the size of a body must
 * not delay other clients.
 */
function sampleOf(message: ConsumeMessage): string {
  const { content } = message;
  const hash = createHash('sha256').update(content.subarray(0, SAMPLE_BYTES)).update(content.subarray(-SAMPLE_BYTES));
  return describe(message, `${content.length} ${hash.digest('base64')}`);
}

function describe({ fields, properties }: ConsumeMessage, body: string): string {
  const withBigints = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
  return JSON.stringify([fields.exchange, fields.routingKey, properties, body], withBigints);
}
