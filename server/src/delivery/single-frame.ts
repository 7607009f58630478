/** A MESSAGE frame whose header lines are not final, because members of its group may have missed earlier messages. */
import type { Position } from '../brokers/broker.js';
import type { Gap } from '../brokers/history.js';
import type { Encoding } from '../transports/connection.js';
import type { BackloggedMessage } from './backlog.js';

const COMMAND_LINE = Buffer.from('MESSAGE\n');

/** Adds a header with the number of older messages of the subscription that were left out. */
export function withDroppedHeader(frame: Buffer, count: number): Buffer {
  return Buffer.concat([COMMAND_LINE, Buffer.from(`relay-dropped:${count}\n`), frame.subarray(COMMAND_LINE.length)]);
}

/** Adds the header for lost messages of the history before this one. */
function withGapHeader(frame: Buffer): Buffer {
  return Buffer.concat([COMMAND_LINE, Buffer.from('relay-gap:true\n'), frame.subarray(COMMAND_LINE.length)]);
}

interface FrameParts {
  readonly key: string;
  readonly position: Position | undefined;
  readonly isText: boolean;
  readonly encoding: Encoding;
  /** Undefined for clients without notices. */
  readonly gapNotice: (gap: Gap) => Buffer | undefined;
}

/** The frame before it is wrapped. */
export class SingleFrame implements BackloggedMessage {
  readonly key: string;
  readonly position: Position | undefined;

  constructor(
    private readonly frame: Buffer,
    private readonly parts: FrameParts,
  ) {
    this.key = parts.key;
    this.position = parts.position;
  }

  get byteLength(): number {
    return this.frame.length;
  }

  toBytes(dropped: number, gap?: Gap): Buffer {
    const { encoding, isText, gapNotice } = this.parts;
    const frame = dropped === 0 ? this.frame : withDroppedHeader(this.frame, dropped);
    if (!gap) return encoding.wrap(frame, isText);
    const notice = gapNotice(gap);
    if (!notice) return encoding.wrap(withGapHeader(frame), isText);
    return Buffer.concat([notice, encoding.wrap(frame, isText)]);
  }
}
