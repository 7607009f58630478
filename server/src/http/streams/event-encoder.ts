/**
 * Messages as Server-Sent Events, for groups of streams (`delivery/group.ts`). The part that is the same for all streams
 * (headers and body as JSON) is made once for a message and kept until the next one comes.
 *
 * JSON leaves no line break unescaped, so no part of a message can become a field or an event of its own.
 */
import { constants, isUtf8 } from 'node:buffer';
import type { RoutedMessage, SharedDestination } from '../../brokers/broker.js';
import type { BackloggedMessage } from '../../delivery/backlog.js';
import type { Recipient } from '../../delivery/group.js';
import type { GroupEncoder, GroupOutput, SharedRequest } from '../../delivery/group-encoder.js';
import type { Groups } from '../../delivery/groups.js';
import { joinedWrites } from '../../delivery/joined-writes.js';

const EMPTY = Buffer.alloc(0);
/** JSON has at most six characters for a byte, and there is a longest string. */
const JSON_BODY_MAX_BYTES = Math.floor(constants.MAX_STRING_LENGTH / 8);

/** A stream, as its groups know it. */
export interface StreamMember extends Recipient<StreamMember> {
  readonly id: string;
  /** Whole events, cut anywhere. MUST NOT wait. The stream may end inside, and is dropped from its groups then. */
  write(...pieces: readonly Buffer[]): void;
}

export type StreamGroups = Groups<StreamMember, SharedRequest>;

/** The `destination` of a message that came by `key`, for a subscriber of `subscribed`. */
export type ShownTo = (subscribed: SharedDestination, message: RoutedMessage, key: string) => string;

export class EventEncoder implements GroupEncoder<StreamMember, SharedRequest> {
  private readonly bodyMaxBytes: number;
  private lastMessage: RoutedMessage | undefined;
  private lastId = '';
  private lastTail: Buffer = EMPTY;

  constructor(
    /** Gives what no other message of any relay has, without line breaks. */
    private readonly nextId: () => string,
    /** `session.messageMaxBytes`: a longer event is not made. */
    private readonly maxBytes: number,
    readonly shownTo: ShownTo,
  ) {
    this.bodyMaxBytes = Math.min(maxBytes, JSON_BODY_MAX_BYTES);
  }

  keyOf({ destination }: SharedRequest): string {
    return JSON.stringify([destination.text, destination.kind === 'user' ? destination.user : undefined]);
  }

  outputFor({ destination }: SharedRequest): EventOutput {
    return new EventOutput(this, destination);
  }

  /**
   * The event in two parts, of which the second is the same Buffer for all streams. Undefined: too large. `destination` is
   * the one that the subscriber is shown.
   */
  encode(destination: string, message: RoutedMessage): readonly [Buffer, Buffer] | undefined {
    if (message.body.length > this.bodyMaxBytes) return undefined;
    if (message !== this.lastMessage) {
      this.lastMessage = message;
      this.lastId = this.nextId();
      this.lastTail = tailOf(message, 0);
    }
    const head = `id: ${this.lastId}\nevent: message\ndata: {"destination":${JSON.stringify(destination)},`;
    const parts = [Buffer.from(head), this.lastTail] as const;
    return parts[0].length + parts[1].length > this.maxBytes ? undefined : parts;
  }
}

/** The events of one group. */
class EventOutput implements GroupOutput<StreamMember> {
  constructor(
    private readonly events: EventEncoder,
    private readonly destination: SharedDestination,
  ) {}

  idOf({ id }: StreamMember): string {
    return id;
  }

  encode(message: RoutedMessage, key: string, pieces: Buffer[]): boolean {
    const event = this.eventOf(message, key);
    if (!event) return false;
    pieces.push(...event);
    return true;
  }

  encodeSingle(message: RoutedMessage, key: string): BackloggedMessage | undefined {
    const event = this.eventOf(message, key);
    if (!event) return undefined;
    const [head, tail] = event;
    const toBytes = (dropped: number): Buffer => Buffer.concat([head, dropped === 0 ? tail : tailOf(message, dropped)]);
    return { key, byteLength: head.length + tail.length, toBytes };
  }

  write(members: ReadonlySet<StreamMember>, pieces: readonly Buffer[]): undefined {
    const batches = joinedWrites(pieces);
    for (const member of members) member.write(...batches);
  }

  private eventOf(message: RoutedMessage, key: string): readonly [Buffer, Buffer] | undefined {
    return this.events.encode(this.events.shownTo(this.destination, message, key), message);
  }
}

function tailOf({ headers, body, resent }: RoutedMessage, missed: number): Buffer {
  const dropped = missed > 0 ? [['relay-dropped', String(missed)] as const] : [];
  const marks = resent ? [...dropped, ['relay-resent', 'true'] as const] : dropped;
  const shown = Object.fromEntries([...marks, ...headers]);
  const content = isUtf8(body) ? { body: body.toString() } : { bodyBase64: body.toString('base64') };
  return Buffer.from(`${JSON.stringify({ headers: shown, ...content }).slice(1)}\n\n`);
}

/** An event about the stream itself. */
export function encodeEvent(event: string, data: object, retryMs: number): Buffer {
  return Buffer.from(`retry: ${retryMs}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
}

export const KEEP_ALIVE = Buffer.from(':\n\n');
