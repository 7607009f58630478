/**
 * Settles deliveries of a queue that is, or may be, a stream. RabbitMQ 3.x answers basic.nack and basic.reject of a
 * stream with a connection error, and many sessions use the connection. So a stream's delivery is never nacked: every
 * outcome is sent as an ack, and returned messages are read again.
 *
 * If another program created the queue, only its deliveries show that it may be a stream, by the header
 * x-stream-offset. This is no proof: a publisher may have copied the header. So RabbitMQ is asked before the first
 * nack. Without an answer, the delivery stays unsettled and returns to its queue when its channel closes.
 */
import type { ConsumeMessage } from 'amqplib';
import type { Outcome } from '../../broker.js';
import type { QueuePlan } from '../../queue-plan.js';
import { StreamPosition } from './stream-position.js';

const OFFSET_HEADER = 'x-stream-offset';

export type StreamKnowledge = 'stream' | 'other' | 'unknown';

/** The kind of the queue, from a SUBSCRIBE that RabbitMQ has accepted: only streams accept an offset. */
export function plannedKind({ source, consumer }: QueuePlan): StreamKnowledge {
  if (consumer.streamOffset !== undefined) return 'stream';
  const type = typeof source === 'object' ? source.arguments['x-queue-type'] : undefined;
  if (type === undefined) return 'unknown';
  return type === 'stream' ? 'stream' : 'other';
}

export function hasStreamOffset({ properties }: ConsumeMessage): boolean {
  return properties.headers?.[OFFSET_HEADER] !== undefined;
}

/** Shared by the settlements of one consumer. */
export class StreamSettling {
  private readonly position = new StreamPosition();
  private asking: Promise<void> | undefined;

  constructor(
    private kind: StreamKnowledge,
    private readonly isStream: () => Promise<boolean>,
    /** Called when the stream must be consumed again, from `resumeAt()` on. */
    private readonly rewound: () => void,
  ) {}

  /** Returns whether the message was delivered before. */
  delivered({ fields, properties }: ConsumeMessage): boolean {
    const offset = properties.headers?.[OFFSET_HEADER] as unknown;
    if (this.kind === 'other' || typeof offset !== 'number') return false;
    return this.position.delivered(fields.deliveryTag, offset) && this.kind === 'stream';
  }

  /** `send` passes the outcome to RabbitMQ if the delivery's channel still exists. */
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

  /** Called after the channel was lost. */
  lost(): void {
    this.position.lost();
  }

  get mustResume(): boolean {
    return this.kind === 'stream' && this.position.mustResume;
  }

  /** The start offset of the next consumer; undefined if SUBSCRIBE decides. */
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
        this.asking = undefined; // the next nack asks again
      },
    );
    return this.asking;
  }
}
