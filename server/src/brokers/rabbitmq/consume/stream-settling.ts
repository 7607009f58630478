/**
 * Settling for a consumer whose queue is a stream, or may be one. RabbitMQ 3.x answers basic.nack and basic.reject of a stream
 * with an error of the connection, which many sessions use, so no delivery of a stream is ever nacked: all outcomes are sent as
 * acks, and what is to come again is read again.
 *
 * Of a queue that others made only its deliveries show what it may be, by the header x-stream-offset. That is no proof: a
 * publisher may have copied the header. So RabbitMQ is asked before the first nack. Where no answer comes, the delivery stays
 * unsettled, and goes back to its queue with its channel.
 */
import type { ConsumeMessage } from 'amqplib';
import type { Outcome } from '../../broker.js';
import type { QueuePlan } from '../../queue-plan.js';
import { StreamPosition } from './stream-position.js';

const OFFSET_HEADER = 'x-stream-offset';

export type StreamKnowledge = 'stream' | 'other' | 'unknown';

/** What SUBSCRIBE tells of the queue, once RabbitMQ has agreed to it: no other queue takes an offset. */
export function plannedKind({ source, consumer }: QueuePlan): StreamKnowledge {
  if (consumer.streamOffset !== undefined) return 'stream';
  const type = typeof source === 'object' ? source.arguments['x-queue-type'] : undefined;
  if (type === undefined) return 'unknown';
  return type === 'stream' ? 'stream' : 'other';
}

export function hasStreamOffset({ properties }: ConsumeMessage): boolean {
  return properties.headers?.[OFFSET_HEADER] !== undefined;
}

/** What the settlements of one consumer share. */
export class StreamSettling {
  private readonly position = new StreamPosition();
  private asking: Promise<void> | undefined;

  constructor(
    private kind: StreamKnowledge,
    private readonly isStream: () => Promise<boolean>,
    /** It is to be consumed again, from `resumeAt()` on. */
    private readonly rewound: () => void,
  ) {}

  /** Returns whether it has been delivered before. */
  delivered({ fields, properties }: ConsumeMessage): boolean {
    const offset = properties.headers?.[OFFSET_HEADER] as unknown;
    if (this.kind === 'other' || typeof offset !== 'number') return false;
    return this.position.delivered(fields.deliveryTag, offset) && this.kind === 'stream';
  }

  /** `send` says it to RabbitMQ, if the delivery's channel still lives. */
  settle(tag: number, outcome: Outcome, send: (outcome: Outcome) => void): void {
    if (this.kind === 'other') return send(outcome);
    if (this.kind === 'unknown' && outcome !== 'ack') {
      const later = (): void => {
        if (this.kind !== 'unknown') this.settle(tag, outcome, send);
      };
      return void this.find().then(later);
    }
    if (outcome === 'again') this.position.rewind(tag);
    this.position.settled(tag);
    send('ack');
    if (outcome === 'again' && this.position.mustResume) this.rewound();
  }

  /** After its channel was lost. */
  lost(): void {
    this.position.lost();
  }

  get mustResume(): boolean {
    return this.kind === 'stream' && this.position.mustResume;
  }

  /** Where the next consumer begins, if not where SUBSCRIBE says. */
  async resumeAt(): Promise<number | undefined> {
    if (this.kind === 'unknown') await this.find();
    return this.kind === 'stream' ? this.position.resume() : undefined;
  }

  private find(): Promise<void> {
    this.asking ??= this.isStream().then(
      (isStream) => {
        this.kind = isStream ? 'stream' : 'other';
      },
      () => {
        this.asking = undefined; // and asked again for the next one
      },
    );
    return this.asking;
  }
}
