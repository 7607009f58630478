/**
 * Collects the messages of one publisher that travel in lanes. Those of a turn of the event loop travel as one message to
 * RabbitMQ (a batch), whose confirm is the confirm of each. While a batch is on its way, the next one collects what comes,
 * so batches grow with the load. Without load a message waits for the end of its turn only.
 *
 *   empty --a message--> collecting --the end of the turn, if no batch is on its way--> sent
 *                                   --the confirm of the batch before it--------------> sent
 *                                   --full, late, or a sender publishes otherwise-----> sent
 *
 * All shards share one batch, because the messages of a sender keep their order.
 */
import type { BrokerError, PublishOptions } from '../../broker.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import { deferred } from '../amqp/wait-deadline.js';
import type { Route } from '../publish/route.js';
import { BATCH_MAX_COUNT, BatchPacker, packedMaxBytes } from './batch-format.js';
import type { LaneMessage } from './batch-format.js';
import { BatchMessage, isMarkedPersistent } from './batch-message.js';
import type { LaneCounters } from './lane-counters.js';

/** A message for a lane, and the limits that it counts for. */
export interface LaneSend {
  readonly message: LaneMessage;
  readonly shard: string;
  /** An estimate of the memory that the message takes. */
  readonly bytes: number;
  readonly options: PublishOptions;
}

export interface BatchPublisher {
  publish(route: Route, content: AmqpContent, options: PublishOptions): Promise<void>;
  /** There may be room for messages that wait. */
  roomMade(): void;
}

/** A message waits at most this long for the confirm of the batch before it. */
const LATE_MS = 20;
/** Refusals that can be due to one message of a batch. */
const OF_ONE_MESSAGE: ReadonlySet<BrokerError['code']> = new Set([
  'publish-refused',
  'unacceptable-message',
  'invalid-header',
]);

export class LaneWriter {
  private open: Batch | undefined;
  /** Has the messages of the open batch. */
  private readonly packer = new BatchPacker();
  private underWay = 0;
  private isScheduled = false;
  private lateTimer: NodeJS.Timeout | undefined;
  /** Messages that are not settled. */
  count = 0;
  /** Bytes of messages that no batch has taken away. Those on their way count at the publisher. */
  bytes = 0;

  constructor(
    private readonly publisher: BatchPublisher,
    private readonly exchange: string,
    private readonly counters: LaneCounters,
  ) {}

  /** Resolves with the confirm. Rejects with a BrokerError. */
  add(send: LaneSend): Promise<void> {
    const packedBytes = packedMaxBytes(send.message);
    const hasRoom = this.open?.mayHave(send) !== false && this.packer.hasRoomFor(packedBytes);
    if (!hasRoom) this.flush();
    const batch = (this.open ??= this.begin(send));
    batch.add(send);
    if (this.packer.hasRoomFor(packedBytes)) this.packer.add(send.message);
    else batch.isLarge = true;
    this.count++;
    this.bytes += send.bytes;
    if (batch.isFull) this.flush();
    else if (this.underWay === 0) this.schedule();
    return batch.confirmed.promise.catch((error: BrokerError) => this.sendAlone(send, batch, error));
  }

  /** A sender publishes a message otherwise. Its messages before that come first. */
  flushFor(user: string): void {
    if (this.open?.senders.has(user)) this.flush();
  }

  flush(): void {
    const batch = this.open;
    if (!batch) return;
    this.open = undefined;
    clearTimeout(this.lateTimer);
    this.underWay++;
    this.bytes -= batch.bytes;
    this.counters.sent(batch.sends.length);
    const over = (): void => this.over(batch);
    batch.confirmed.promise.then(over, over);
    this.publish(batch).then(batch.confirmed.resolve, batch.confirmed.reject);
  }

  private async publish({ sends, shards, bytes, isPersistent, isHurried, isLarge }: Batch): Promise<void> {
    const [first] = sends;
    const [shard = '', ...otherShards] = shards;
    const route = { exchange: this.exchange, key: shard };
    const content = isLarge
      ? BatchMessage.of(first!.message, bytes)
      : new BatchMessage({ body: this.packer.take(), bytes, isPersistent, otherShards });
    // A message that is alone is that of its sender
    const options = sends.length === 1 ? first!.options : { mandatory: false, isHurried };
    await this.publisher.publish(route, content, options);
  }

  private begin({ options }: LaneSend): Batch {
    if (this.underWay > 0) this.lateTimer = setTimeout(() => this.flush(), LATE_MS);
    return new Batch(options.isHurried === true);
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      if (this.underWay === 0) this.flush();
    });
  }

  private over(batch: Batch): void {
    this.underWay--;
    this.count -= batch.sends.length;
    if (this.open && this.underWay === 0) this.schedule();
    this.publisher.roomMade();
  }

  /** RabbitMQ has refused the batch. The message of one sender refuses no other. */
  private async sendAlone(
    { message, shard, bytes, options }: LaneSend,
    batch: Batch,
    error: BrokerError,
  ): Promise<void> {
    if (batch.sends.length === 1 || !OF_ONE_MESSAGE.has(error.code)) throw error;
    const content = BatchMessage.of(message, bytes);
    // A queue may have the batch: RabbitMQ refuses a message if one of several queues does
    content.markResent();
    await this.publisher.publish({ exchange: this.exchange, key: shard }, content, options);
  }
}

class Batch {
  readonly sends: LaneSend[] = [];
  readonly senders = new Set<string>();
  readonly shards = new Set<string>();
  readonly confirmed = deferred<void>();
  bytes = 0;
  isPersistent = false;
  /** It has one message, which the packer has no room for. */
  isLarge = false;

  constructor(readonly isHurried: boolean) {}

  get isFull(): boolean {
    return this.isLarge || this.sends.length >= BATCH_MAX_COUNT;
  }

  /** A message with another deadline needs another batch. */
  mayHave({ options }: LaneSend): boolean {
    return (options.isHurried === true) === this.isHurried;
  }

  add(send: LaneSend): void {
    this.sends.push(send);
    this.shards.add(send.shard);
    this.bytes += send.bytes;
    if (isMarkedPersistent(send.message)) this.isPersistent = true;
    const { user = '' } = send.options;
    if (user !== '') this.senders.add(user);
  }
}
