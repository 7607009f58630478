/** A subscription with its own consumer at the broker. This class writes one frame for each delivery. */
import type { RequiredPermission } from '../auth/policy/required-permissions.js';
import type { AckMode, BrokerError, BrokerSubscription, Consumer, Delivery, Settlement } from '../brokers/broker.js';
import type { Destination } from '../destinations/destination.js';
import type { Version } from '../stomp/frame.js';
import type { Connection } from '../transports/connection.js';
import { AckQueue } from './acks.js';
import type { Acks } from './acks.js';
import type { AutoAcks } from './auto-acks.js';
import type { DeliveryCounters } from './delivery-counters.js';
import type { ReceivedAddresses } from './group.js';
import type { MessageEncoder } from './message-encoder.js';
import { messageHead } from './message-encoder.js';
import { isForAnother } from './narrowed.js';
import type { Outbox } from './outbox.js';
import { withDroppedHeader } from './single-frame.js';

/** The part of a session that deliveries use. */
export interface DeliveryHost {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly context: { readonly messages: MessageEncoder; readonly counters: DeliveryCounters };
  readonly resources: {
    readonly acks: Acks;
    readonly autoAcks: AutoAcks;
    readonly replyAddresses: ReceivedAddresses;
    /** Runs `action` after `delayMs`, unless the session has ended by then. */
    later(delayMs: number, action: () => void): void;
  };
  /**
   * False when nothing can reach the client any more. Later deliveries then stay unsettled, and the broker keeps them.
   */
  readonly canDeliver: boolean;
  /** The broker has ended the subscription of this key (`Subscriptions`). */
  onSubscriptionEnded(key: string, error: unknown): void;
}

/** The time for returned deliveries to come again before more are returned. */
const COME_AGAIN_MS = 100;

/** A delivery whose bytes are released but which is not settled: it takes room in the prefetch count, not in memory. */
interface SetAside {
  readonly settlement: Settlement;
  readonly bytes: number;
}

export interface DedicatedRequest {
  /** The session's key of the subscription. */
  readonly key: string;
  /** Undefined in STOMP 1.0, where a SUBSCRIBE may have none. */
  readonly subscriptionId: string | undefined;
  readonly destination: Destination;
  readonly version: Version;
  readonly ack: AckMode;
  /** All permissions that the SUBSCRIBE needs. */
  readonly permissions: readonly RequiredPermission[];
}

/**
 * While the client does not read, deliveries wait in `parked`. The prefetch count bounds their number, the outbox their
 * bytes. Deliveries beyond that are set aside. When the client reads again, they return to the broker in portions that
 * fit, and come again (`redelivered:true`), in order.
 */
export class DedicatedSubscription implements Consumer {
  readonly kind = 'dedicated';
  readonly ackQueue: AckQueue;
  /** Set when the broker has set up the subscription. */
  broker: BrokerSubscription | undefined;
  private readonly needsAck: boolean;
  private state: 'opening' | 'open' | 'closed' = 'opening';
  /** Delivered before the subscription was open, or while the client did not read. */
  private parked: Delivery[] = [];
  private setAside: SetAside[] = [];
  /** Messages that were too large and that no `relay-dropped` has reported yet. */
  private missed = 0;

  constructor(
    private readonly host: DeliveryHost,
    private readonly request: DedicatedRequest,
  ) {
    const { subscriptionId, ack } = request;
    this.needsAck = ack !== 'auto';
    this.ackQueue = new AckQueue(subscriptionId, ack === 'client');
  }

  get destination(): Destination {
    return this.request.destination;
  }

  get ack(): AckMode {
    return this.request.ack;
  }

  get permissions(): readonly RequiredPermission[] {
    return this.request.permissions;
  }

  deliver(delivery: Delivery): void {
    if (!this.host.canDeliver) return;
    if (this.state === 'closed') return delivery.settle('requeue');
    if (isForAnother(delivery.message, this.destination, this.host.connection.id)) return delivery.settle('ack');
    if (delivery.message.body.length > this.host.context.messages.maxBytes) return this.leaveOut(delivery.settlement);
    // New deliveries come after those that were set aside before
    if (this.setAside.length > 0 && !delivery.redelivered) this.putAside(delivery);
    else this.take(delivery);
  }

  /** The SUBSCRIBE has been answered. Deliveries may arrive before the broker's answer, and have waited until now. */
  open(): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    this.unpark();
  }

  ended(error: BrokerError): void {
    if (this.state !== 'closed') this.host.onSubscriptionEnded(this.request.key, error);
  }

  /** Sends no more messages to the client. The client can still acknowledge earlier ones. */
  close(): void {
    this.state = 'closed';
    for (const delivery of this.takeParked()) delivery.settle('requeue');
    for (const { settlement } of this.setAside) settlement.settle('requeue');
    this.setAside = [];
  }

  private take(delivery: Delivery): void {
    const { outbox } = this.host;
    const isOpen = this.state === 'open';
    if (isOpen && this.parked.length === 0 && !outbox.isCongested) return this.send(delivery);
    if (!outbox.park(sizeOf(delivery))) return this.putAside(delivery);
    if (this.parked.push(delivery) === 1 && isOpen) outbox.whenDrained(() => this.unpark());
  }

  private unpark(): void {
    for (const delivery of this.takeParked()) this.take(delivery);
  }

  private takeParked(): Delivery[] {
    const parked = this.parked;
    this.parked = [];
    for (const delivery of parked) this.host.outbox.unpark(sizeOf(delivery));
    return parked;
  }

  private putAside(delivery: Delivery): void {
    const count = this.setAside.push({ settlement: delivery.settlement, bytes: sizeOf(delivery) });
    if (count === 1) this.host.resources.later(COME_AGAIN_MS, () => this.returnSome());
  }

  /** Oldest first, so that they come again in order; none while there is no room. */
  private returnSome(): void {
    const { outbox } = this.host;
    const canTake = this.parked.length === 0 && !outbox.isCongested;
    for (let room = canTake ? outbox.parkingMaxBytes / 2 : 0; room > 0;) {
      const oldest = this.setAside.shift();
      if (!oldest) return;
      oldest.settlement.settle('again');
      room -= oldest.bytes;
    }
    if (this.setAside.length > 0) this.host.resources.later(COME_AGAIN_MS, () => this.returnSome());
  }

  private send(delivery: Delivery): void {
    const { connection, outbox, context, resources } = this.host;
    const { messages, counters } = context;
    const { message, redelivered, settlement } = delivery;
    const id = messages.nextId();
    const { destination, subscriptionId, version } = this.request;
    const shownAs = messages.destinationFor(destination, message);
    const head = messageHead(subscriptionId, shownAs, version);
    const frame = messages.encodeDedicated(head, message, version, { id, redelivered, needsAck: this.needsAck });
    if (!frame) return this.leaveOut(settlement);
    const complete = this.missed === 0 ? frame : withDroppedHeader(frame, this.missed);
    this.missed = 0;
    const wrapped = connection.encoding.wrap(complete, messages.isText(message));
    if (this.needsAck) resources.acks.add(this.ackQueue, id, settlement);
    const replyAddress = messages.replyAddressOf(message);
    if (replyAddress !== undefined) resources.replyAddresses.add(replyAddress);
    const isTaken = connection.write(wrapped); // next: transports/connection
    counters.messagesOut++;
    counters.messageBytesOut += wrapped.length;
    if (!isTaken) outbox.watch(wrapped.length);
    if (!this.needsAck) resources.autoAcks.add(settlement, isTaken);
  }

  /** Drops the delivery to the dead letters, if the queue has any: a redelivery would be too large as well. */
  private leaveOut(settlement: Settlement): void {
    this.missed++;
    this.host.context.counters.messagesTooLarge++;
    settlement.settle('drop');
  }
}

/** An estimate of a delivery's overhead. */
const DELIVERY_BYTES = 512;

function sizeOf({ message }: Delivery): number {
  return DELIVERY_BYTES + message.body.length;
}
