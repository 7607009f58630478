/**
 * Temporary queues of one session: made when a SEND first names one in `reply-to`, gone with the session. Replies come
 * without a SUBSCRIBE, with the name as their subscription, as RabbitMQ's STOMP plugin does.
 */
import type { BrokerChannel, RoutedMessage } from '../brokers/broker.js';
import type { TempQueue } from '../destinations/destination.js';
import { StompError } from '../stomp/errors.js';
import type { Version } from '../stomp/frame.js';
import { messageHead, withDroppedHeader } from '../delivery/message-encoder.js';
import type { DeliveryHost } from '../delivery/dedicated-subscription.js';

export class TempQueues {
  /** The broker's name of each queue, or the promise for it. */
  private readonly byName = new Map<string, string | Promise<string>>();
  /** How many replies in a row were too large, by queue: the next one says so. */
  private readonly missed = new Map<string, number>();

  constructor(
    private readonly host: DeliveryHost,
    private readonly version: Version,
    private readonly openChannel: () => BrokerChannel,
    private readonly max: number,
  ) {}

  /** The value of `reply-to` that a message to the outside carries. A promise only for a queue's first use. */
  address(queue: TempQueue): string | Promise<string> {
    const known = this.byName.get(queue.name);
    if (known !== undefined) return known;
    if (this.byName.size >= this.max) {
      throw new StompError(
        'too-many-subscriptions',
        `A session has at most subscriptionsMax (${this.max}) temporary queues: use one for all requests, and correlation-id.`,
      );
    }
    const opening = this.openChannel()
      .openReplyQueue((message) => this.deliver(queue, message))
      .then(
        (address) => {
          this.byName.set(queue.name, address);
          return address;
        },
        (error: unknown) => {
          this.byName.delete(queue.name);
          throw error;
        },
      );
    this.byName.set(queue.name, opening);
    return opening;
  }

  private deliver(queue: TempQueue, message: RoutedMessage): void {
    const { connection, outbox, context, canDeliver } = this.host;
    const { messages, counters } = context;
    if (!canDeliver) return;
    const head = messageHead(queue.text, queue.text, this.version);
    const frame = messages.encodeShared(head, message, this.version);
    const missed = this.missed.get(queue.name) ?? 0;
    if (!frame) {
      this.missed.set(queue.name, missed + 1);
      counters.messagesTooLarge++;
      return;
    }
    this.missed.delete(queue.name);
    const told = missed === 0 ? frame : withDroppedHeader(frame, missed);
    const wrapped = connection.encoding.wrap(told, messages.isText(message));
    counters.messagesOut++;
    counters.messageBytesOut += wrapped.length;
    if (!connection.write(wrapped)) outbox.onBackPressure(wrapped.length);
  }
}
