/**
 * Encodes messages as Server-Sent Events for groups of streams (`delivery/group.ts`). All streams share one part of the
 * event: headers and body as JSON. It is encoded once for each message, and kept until the next message.
 *
 * JSON escapes all line breaks, so no part of a message can become another field or event.
 */
import { constants, isUtf8 } from 'node:buffer';
import type { Position, RoutedMessage, SharedDestination } from '../../brokers/broker.js';
import type { Gap } from '../../brokers/history.js';
import type { BackloggedMessage } from '../../delivery/backlog.js';
import type { GroupEncoder, GroupOutput, RecoveryOutput, SharedRequest } from '../../delivery/group-encoder.js';
import type { Recipient } from '../../delivery/group.js';
import type { Groups } from '../../delivery/groups.js';
import { joinedWrites } from '../../delivery/joined-writes.js';

const EMPTY = Buffer.alloc(0);
/** JSON needs up to six characters for a byte, and the length of a string is limited. */
const JSON_BODY_MAX_BYTES = Math.floor(constants.MAX_STRING_LENGTH / 8);

/** A stream in its role as a member of groups. */
export interface StreamMember extends Recipient<StreamMember> {
  readonly id: string;
  /**
   * Writes whole events, divided into pieces anywhere, which `sharers` streams get. MUST NOT wait. The stream may end
   * during this call, and then leaves its groups.
   */
  write(pieces: readonly Buffer[], sharers: number): void;
  /** Whether bytes wait for the client. */
  readonly isBehind: boolean;
  /** Calls `action` when the client has taken them. */
  whenDrained(action: () => void): void;
}

export interface StreamRequest extends SharedRequest {
  /** Whether the ids of events are positions: a stream with one destination, which has a history. */
  readonly hasPositions?: boolean;
}

export type StreamGroups = Groups<StreamMember, StreamRequest>;

/** The `destination` to show to a subscriber of `subscribed` for a message with the routing key `key`. */
export type ShownTo = (subscribed: SharedDestination, message: RoutedMessage, key: string) => string;

export class EventEncoder implements GroupEncoder<StreamMember, StreamRequest> {
  private readonly bodyMaxBytes: number;
  private lastMessage: RoutedMessage | undefined;
  private lastId = '';
  private lastTail: Buffer = EMPTY;

  constructor(
    /** Returns an id that is unique among the messages of all relays, without line breaks. */
    private readonly nextId: () => string,
    /** `session.messageMaxBytes`: limit of an event. */
    private readonly maxBytes: number,
    readonly shownTo: ShownTo,
  ) {
    this.bodyMaxBytes = Math.min(maxBytes, JSON_BODY_MAX_BYTES);
  }

  keyOf({ destination, hasPositions }: StreamRequest): string {
    const user = destination.kind === 'user' ? destination.user : undefined;
    return JSON.stringify([destination.text, user, ...(hasPositions === true ? [true] : [])]);
  }

  outputFor(request: StreamRequest): EventOutput {
    return new EventOutput(this, request);
  }

  /**
   * Returns the event in two parts; the second one is the same Buffer for all streams. Returns undefined if the event
   * is too large. `destination` is the one to show to the subscriber, and `id` the id of the event; default: a new one.
   */
  encode(destination: string, message: RoutedMessage, id?: string): readonly [Buffer, Buffer] | undefined {
    if (message.body.length > this.bodyMaxBytes) return undefined;
    if (message !== this.lastMessage) {
      this.lastMessage = message;
      this.lastId = this.nextId();
      this.lastTail = tailOf(message, 0);
    }
    const head = `id: ${id ?? this.lastId}\nevent: message\ndata: {"destination":${JSON.stringify(destination)},`;
    const parts = [Buffer.from(head), this.lastTail] as const;
    return parts[0].length + parts[1].length > this.maxBytes ? undefined : parts;
  }

  /** A message of a history as one line of JSON. One that is too large has no content. */
  jsonLine(subscribed: SharedDestination, message: RoutedMessage, key: string): Buffer {
    const { position, body } = message;
    const place = { position, destination: this.shownTo(subscribed, message, key) };
    if (body.length <= this.bodyMaxBytes) {
      const line = Buffer.from(`${JSON.stringify({ ...place, ...contentOf(message, []) })}\n`);
      if (line.length <= this.maxBytes) return line;
    }
    return Buffer.from(`${JSON.stringify({ ...place, tooLarge: true })}\n`);
  }
}

/** Encodes and writes the events of one group. */
class EventOutput implements GroupOutput<StreamMember> {
  private readonly destination: SharedDestination;
  private readonly hasPositions: boolean;
  private recoveryIfUsed: EventRecovery | undefined;

  constructor(
    private readonly events: EventEncoder,
    { destination, hasPositions = false }: StreamRequest,
  ) {
    this.destination = destination;
    this.hasPositions = hasPositions;
  }

  get recovery(): RecoveryOutput<StreamMember> {
    return (this.recoveryIfUsed ??= new EventRecovery(this, this.destination, this.hasPositions));
  }

  replayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined {
    const event = this.eventOf(message, key);
    return event && Buffer.concat([event[0], tailOf(message, dropped, true)]);
  }

  /** A stream that is too slow leaves its groups at once. */
  isReading(): boolean {
    return true;
  }

  idOf({ id }: StreamMember): string {
    return id;
  }

  /** A stream cannot SEND. */
  replyAddressOf(): undefined {}

  allowReply(): void {}

  encode(message: RoutedMessage, key: string, pieces: Buffer[]): boolean {
    const event = this.eventOf(message, key);
    if (!event) return false;
    pieces.push(...event);
    return true;
  }

  encodeSingle(message: RoutedMessage, key: string): BackloggedMessage | undefined {
    const event = this.eventOf(message, key);
    if (!event) return undefined;
    const { position } = message;
    const [head, tail] = event;
    const toBytes = (dropped: number): Buffer => Buffer.concat([head, dropped === 0 ? tail : tailOf(message, dropped)]);
    return { key, position, byteLength: head.length + tail.length, toBytes };
  }

  write(members: ReadonlySet<StreamMember>, pieces: readonly Buffer[]): undefined {
    const batches = joinedWrites(pieces);
    const { size } = members;
    for (const member of members) member.write(batches, size);
  }

  private eventOf(message: RoutedMessage, key: string): readonly [Buffer, Buffer] | undefined {
    const id = this.hasPositions ? message.position : undefined;
    return this.events.encode(this.events.shownTo(this.destination, message, key), message, id);
  }
}

/** Events about the history of a destination. */
class EventRecovery implements RecoveryOutput<StreamMember> {
  constructor(
    private readonly output: EventOutput,
    private readonly destination: SharedDestination,
    readonly hasNotices: boolean,
  ) {}

  encodeReplayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined {
    return this.output.replayed(message, key, dropped);
  }

  gapNotice(gap: Gap): Buffer {
    return this.event('gap', gap.to, { destination: this.destination.text, ...gap });
  }

  /** An event without data changes the last id of an EventSource, and nothing else. */
  positionNotice(position: Position): Buffer | undefined {
    return this.hasNotices ? Buffer.from(`id: ${position}\n\n`) : undefined;
  }

  caughtUpNotice(position: Position, replayed: number): Buffer {
    return this.event('caught-up', position, { destination: this.destination.text, position, replayed });
  }

  /** A stream ends when it is too slow, and its client returns with its position. */
  isCongested(): boolean {
    return false;
  }

  isBehind(member: StreamMember): boolean {
    return member.isBehind;
  }

  writeTo(member: StreamMember, bytes: Buffer): boolean {
    member.write([bytes], 1);
    return !member.isBehind;
  }

  whenDrained(member: StreamMember, action: () => void): void {
    member.whenDrained(action);
  }

  private event(name: string, position: Position, data: object): Buffer {
    const id = this.hasNotices ? `id: ${position}\n` : '';
    return Buffer.from(`${id}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}

function tailOf(message: RoutedMessage, droppedCount: number, isReplayed = false): Buffer {
  const dropped = droppedCount > 0 ? [['relay-dropped', String(droppedCount)] as const] : [];
  const replayed = isReplayed ? [['relay-replayed', 'true'] as const] : [];
  const marks = [...dropped, ...replayed, ...(message.resent ? [['relay-resent', 'true'] as const] : [])];
  return Buffer.from(`${JSON.stringify(contentOf(message, marks)).slice(1)}\n\n`);
}

function contentOf({ headers, body }: RoutedMessage, marks: readonly (readonly [string, string])[]): object {
  const content = isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') };
  return { headers: Object.fromEntries([...marks, ...headers]), ...content };
}

/** An event about the stream itself. */
export function encodeEvent(event: string, data: object, retryMs: number, id?: string): Buffer {
  const line = id === undefined ? '' : `id: ${id}\n`;
  return Buffer.from(`retry: ${retryMs}\n${line}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

export const KEEP_ALIVE = Buffer.from(':\n\n');
