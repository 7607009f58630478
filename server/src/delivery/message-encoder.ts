/**
 * MESSAGE frames for the groups and dedicated subscriptions of STOMP sessions. The header lines that differ between
 * groups (subscription, destination) come first. The rest is made once per message and STOMP version, and kept until
 * the next message.
 *
 * `message-id` is unique to the relay, not to the session, so one frame can serve many sessions. `ack` has the same
 * value: it is unique here, short, and contains no text of a client.
 */
import { isUtf8 } from 'node:buffer';
import type { RoutedMessage } from '../brokers/broker.js';
import type { Gap } from '../brokers/history.js';
import { receivedReplyAddress } from '../destinations/destination.js';
import type { Destination } from '../destinations/destination.js';
import { shownDestination } from '../destinations/shown-destination.js';
import { encodeHeaderLines, FRAME_END, messageFrame } from '../stomp/encoder.js';
import type { Version } from '../stomp/frame.js';
import type { Connection, Encoding } from '../transports/connection.js';
import { FrameRecovery } from './frame-recovery.js';
import type { BacklogHolder, GroupEncoder, GroupOutput, SharedRequest } from './group-encoder.js';
import type { GroupMember } from './group.js';
import { joinedWrites, LARGE_BYTES } from './joined-writes.js';
import { SingleFrame } from './single-frame.js';

/** A subscription of a STOMP session that can be shared. */
export interface GroupRequest extends SharedRequest {
  /** The binding arguments of the headers, as a text that is equal for equal arguments. */
  readonly argumentsKey: string;
  readonly subscriptionId: string | undefined;
  readonly version: Version;
  /** With a history: whether the client gets frames about positions and gaps (the extension `recovery`). */
  readonly hasNotices?: boolean;
}

export class MessageEncoder implements GroupEncoder<GroupMember, GroupRequest> {
  private lastMessage: RoutedMessage | undefined;
  private readonly lastTails = new Map<Version, string>();
  private lastId = '';
  private lastIsText = false;
  private lastReplyAddress: string | undefined;
  private count = 0;

  constructor(
    /** A short text, unique among the relays on the same broker. */
    private readonly instanceId: string,
    /** `session.messageMaxBytes`. Longer frames are not made. */
    readonly maxBytes: number,
  ) {}

  keyOf(request: GroupRequest, { connection: { encoding } }: GroupMember): string {
    const { destination, argumentsKey, subscriptionId, version, hasNotices } = request;
    const user = destination.kind === 'user' ? destination.user : undefined;
    return JSON.stringify([
      destination.text,
      user,
      argumentsKey,
      subscriptionId,
      version,
      encoding.name,
      ...(hasNotices === true ? [true] : []),
    ]);
  }

  outputFor(request: GroupRequest, { connection }: GroupMember): FrameOutput {
    return new FrameOutput(this, request, connection);
  }

  nextId(): string {
    return `${this.instanceId}-${(++this.count).toString(36)}`;
  }

  /** The `destination` header of a message. `key` is the key that matched, if it can differ from the message's own. */
  destinationFor(subscribed: Destination, { origin }: RoutedMessage, key?: string): string {
    return shownDestination(subscribed, origin, key);
  }

  /** Whether the frames of this message are valid UTF-8. Headers always are, so the body decides. */
  isText(message: RoutedMessage): boolean {
    this.use(message);
    return this.lastIsText;
  }

  /** The address of direct reply-to that the message has in `reply-to`. */
  replyAddressOf(message: RoutedMessage): string | undefined {
    this.use(message);
    return this.lastReplyAddress;
  }

  /** For a subscription that needs no acks. `head` comes from `messageHead`. Undefined: too large. */
  encodeShared(head: string, message: RoutedMessage, version: Version): Buffer | undefined {
    if (message.body.length > this.maxBytes) return undefined;
    const frame = messageFrame(head, this.sharedLines(message, version), message.body);
    return frame.length > this.maxBytes ? undefined : frame;
  }

  /** The same frame up to its body, which `FRAME_END` follows. Undefined: too large. */
  encodeBeginning(head: string, message: RoutedMessage, version: Version): Buffer | undefined {
    const { length } = message.body;
    if (length > this.maxBytes) return undefined;
    const beginning = Buffer.from(head + this.sharedLines(message, version));
    return beginning.length + length + FRAME_END.length > this.maxBytes ? undefined : beginning;
  }

  /**
   * For one delivery to one subscription, with an `ack` header if the client must acknowledge. Undefined: too large.
   */
  encodeDedicated(
    head: string,
    message: RoutedMessage,
    version: Version,
    delivery: { readonly id: string; readonly redelivered: boolean; readonly needsAck: boolean },
  ): Buffer | undefined {
    if (message.body.length > this.maxBytes) return undefined;
    this.use(message);
    // STOMP 1.2, "MESSAGE": an `ack` header where the subscription requires explicit acknowledgment
    const ack = delivery.needsAck && version === '1.2' ? `ack:${delivery.id}\n` : '';
    const ids = `message-id:${delivery.id}\nredelivered:${String(delivery.redelivered)}\n${ack}`;
    const frame = messageFrame(head, ids + this.tail(message, version), message.body);
    return frame.length > this.maxBytes ? undefined : frame;
  }

  private sharedLines(message: RoutedMessage, version: Version): string {
    this.use(message);
    return `message-id:${this.lastId}\nredelivered:false\n${this.tail(message, version)}`;
  }

  private use(message: RoutedMessage): void {
    if (message === this.lastMessage) return;
    this.lastMessage = message;
    this.lastTails.clear();
    this.lastId = message.historyId ?? this.nextId();
    this.lastIsText = isUtf8(message.body);
    this.lastReplyAddress = receivedReplyAddress(message.headers.get('reply-to'));
  }

  /** The message's own headers, escaped for the version, and the end of the header block. */
  private tail(message: RoutedMessage, version: Version): string {
    let tail = this.lastTails.get(version);
    if (tail === undefined) {
      const resent = message.resent ? 'relay-resent:true\n' : '';
      // STOMP 1.2, "Header content-length": all frames with a body SHOULD include it
      const length = message.body.length === 0 ? '' : `content-length:${message.body.length}\n`;
      tail = `${resent}${encodeHeaderLines(message.headers, version)}${length}\n`;
      this.lastTails.set(version, tail);
    }
    return tail;
  }
}

/** The first lines of all MESSAGE frames of a subscription. STOMP 1.0 allows a subscription without an id. */
export function messageHead(subscriptionId: string | undefined, destination: string, version: Version): string {
  const headers: [string, string][] = [['destination', destination]];
  if (subscriptionId !== undefined) headers.unshift(['subscription', subscriptionId]);
  return `MESSAGE\n${encodeHeaderLines(headers, version)}`;
}

/** Maximum number of first lines that a group keeps: a pattern such as `/topic/#` can match any number of keys. */
const HEADS_MAX = 64;

/** The frames of one group. */
class FrameOutput implements GroupOutput<GroupMember> {
  private readonly encoding: Encoding;
  private readonly canShare: boolean;
  private readonly heads = new Map<string, string>();
  private recoveryIfUsed: FrameRecovery | undefined;
  private readonly hasHistory: boolean;

  constructor(
    private readonly messages: MessageEncoder,
    private readonly request: GroupRequest,
    { encoding, canShare }: Pick<Connection, 'encoding' | 'canShare'>,
  ) {
    this.encoding = encoding;
    this.canShare = canShare;
    this.hasHistory = request.feed !== undefined;
  }

  get recovery(): FrameRecovery {
    return (this.recoveryIfUsed ??= new FrameRecovery(this, this.request, this.messages, this.encoding));
  }

  /** A message of a replay. */
  replayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined {
    const { messages } = this;
    const head = `${this.headFor(message, key)}relay-replayed:true\n`;
    const frame = messages.encodeShared(head, message, this.request.version);
    return frame && this.single(message, key, frame).toBytes(dropped);
  }

  idOf({ connection }: GroupMember): string {
    return connection.id;
  }

  isReading({ outbox }: GroupMember): boolean {
    return !outbox.isOver;
  }

  replyAddressOf(message: RoutedMessage): string | undefined {
    return this.messages.replyAddressOf(message);
  }

  allowReply(member: GroupMember, address: string): void {
    member.resources.replyAddresses.add(address);
  }

  encode(message: RoutedMessage, key: string, pieces: Buffer[]): boolean {
    if (this.canShare && message.body.length >= LARGE_BYTES) return this.encodeLarge(message, key, pieces);
    const { messages } = this;
    const frame = messages.encodeShared(this.headFor(message, key), message, this.request.version);
    if (!frame) return false;
    pieces.push(this.encoding.wrap(frame, messages.isText(message)));
    return true;
  }

  /**
   * The body becomes a separate piece, one Buffer for all groups: a client with a thousand subscriptions causes no
   * thousand copies.
   */
  private encodeLarge(message: RoutedMessage, key: string, pieces: Buffer[]): boolean {
    const { messages } = this;
    const beginning = messages.encodeBeginning(this.headFor(message, key), message, this.request.version);
    if (!beginning) return false;
    const restBytes = message.body.length + FRAME_END.length;
    pieces.push(this.encoding.wrapBeginning(beginning, restBytes, messages.isText(message)), message.body, FRAME_END);
    return true;
  }

  encodeSingle(message: RoutedMessage, key: string): SingleFrame | undefined {
    const { messages } = this;
    const frame = messages.encodeShared(this.headFor(message, key), message, this.request.version);
    return frame && this.single(message, key, frame);
  }

  private single(message: RoutedMessage, key: string, frame: Buffer): SingleFrame {
    const { encoding } = this;
    const isText = this.messages.isText(message);
    const gapNotice = (gap: Gap): Buffer | undefined => this.recovery.gapNotice(gap);
    return new SingleFrame(frame, { key, position: message.position, isText, encoding, gapNotice });
  }

  write(
    members: ReadonlySet<GroupMember>,
    pieces: readonly Buffer[],
    bytes: number,
  ): ReadonlyMap<GroupMember, BacklogHolder> | undefined {
    const batches = this.canShare ? joinedWrites(pieces) : pieces;
    let slow: Map<GroupMember, BacklogHolder> | undefined;
    for (const batch of batches) {
      for (const member of members) {
        // next: transports/connection
        if (!member.connection.write(batch)) (slow ??= new Map()).set(member, member.outbox);
      }
    }
    if (slow) for (const member of slow.keys()) member.onBackPressure(bytes, slow.size);
    return slow;
  }

  /**
   * The first lines of the frame. They are the same for all messages, except under a pattern, for which the last few
   * are kept.
   */
  private headFor(message: RoutedMessage, key: string): string {
    let head = this.heads.get(key);
    if (head === undefined) {
      if (this.heads.size >= HEADS_MAX) this.heads.clear();
      const { destination, subscriptionId, version } = this.request;
      head = messageHead(subscriptionId, this.messages.destinationFor(destination, message, key), version);
      this.heads.set(key, head);
    }
    return this.hasHistory && message.position !== undefined ? `${head}relay-position:${message.position}\n` : head;
  }
}
