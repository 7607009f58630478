/**
 * Temporary queues of one session. A queue is declared when a SEND first names it in `reply-to`, and deleted with the
 * session. Replies need no SUBSCRIBE and have the queue's name as their subscription, as in RabbitMQ's STOMP plugin.
 */
import type { BrokerChannel, RoutedMessage } from '../brokers/broker.js';
import type { DeliveryHost } from '../delivery/dedicated-subscription.js';
import { messageHead } from '../delivery/message-encoder.js';
import { withDroppedHeader } from '../delivery/single-frame.js';
import type { TempQueue } from '../destinations/destination.js';
import { StompError } from '../stomp/errors.js';
import type { Version } from '../stomp/frame.js';

export class TempQueues {
  /** The broker's name of each queue, or the promise for it. */
  private readonly byName = new Map<string, string | Promise<string>>();
  /** Number of successive replies that were too large, by queue. The next reply has it in `relay-dropped`. */
  private readonly missed = new Map<string, number>();

  constructor(
    private readonly host: DeliveryHost,
    private readonly version: Version,
    private readonly openChannel: () => BrokerChannel,
    private readonly max: number,
  ) {}

  /** The value of `reply-to` in the published message. A promise only for a queue's first use. */
  address(queue: TempQueue): string | Promise<string> {
    const known = this.byName.get(queue.name);
    if (known !== undefined) return known;
    if (this.byName.size >= this.max) {
      throw new StompError(
        'too-many-subscriptions',
        `A session has at most session.subscriptionsMax (${this.max}) temporary queues: use one for all requests, and correlation-id.`,
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
    const complete = missed === 0 ? frame : withDroppedHeader(frame, missed);
    const wrapped = connection.encoding.wrap(complete, messages.isText(message));
    const replyAddress = messages.replyAddressOf(message);
    if (replyAddress !== undefined) this.host.resources.replyAddresses.add(replyAddress);
    counters.messagesOut++;
    counters.messageBytesOut += wrapped.length;
    if (!connection.write(wrapped)) outbox.onBackPressure(wrapped.length);
  }
}
