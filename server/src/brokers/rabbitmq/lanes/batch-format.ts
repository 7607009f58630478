/**
 * The messages of a lane that travel together, as one AMQP message:
 *
 *   batch    version (1 byte), then the messages
 *   message  bytes of the text (4), bytes of the body (4), headers (2), key (2), session (4, plus 1; 0 without one),
 *            exchange (1: 0 for topics, 1 for users), name and value of each header (2 + 4), text, body
 *
 * The text is key, session, names and values in a row. Lengths in it are in UTF-16 units, so that a reader decodes it
 * once and cuts it. Numbers are big-endian.
 */
import type { Message } from '../../broker.js';

export const BATCH_VERSION = 1;
/** The overhead of AMQP is small beside it, and a receiver unpacks it in about a millisecond. */
export const BATCH_MAX_BYTES = 64 * 1024;
export const BATCH_MAX_COUNT = 512;
/** The `type` of a batch's AMQP message. */
export const BATCH_TYPE = 'stomp-relay.batch';

const VERSION_BYTES = 1;
const FIXED_BYTES = 17;
const HEADER_BYTES = 6;
/** A UTF-16 unit has at most three bytes in UTF-8. */
const UNIT_MAX_BYTES = 3;

const CUT = 'it ends within a message';

/** A message of a lane, with its exchange and its routing key. */
export interface LaneMessage extends Message {
  /** Whether its exchange is that of users. Otherwise it is that of topics. */
  readonly isToUser: boolean;
  readonly key: string;
}

export class BatchError extends Error {
  constructor(
    readonly kind: 'newer' | 'malformed',
    message: string,
  ) {
    super(message);
  }
}

/** The most bytes that the message takes in a batch. */
export function packedMaxBytes({ key, headers, body, toSession = '' }: LaneMessage): number {
  let units = key.length + toSession.length;
  for (const [name, value] of headers) units += name.length + value.length;
  return FIXED_BYTES + headers.size * HEADER_BYTES + units * UNIT_MAX_BYTES + body.length;
}

/** A batch of one message. */
export function packAlone(message: LaneMessage): Buffer {
  const batch = Buffer.allocUnsafe(VERSION_BYTES + packedMaxBytes(message));
  batch[0] = BATCH_VERSION;
  return batch.subarray(0, packMessage(batch, VERSION_BYTES, message));
}

/** Packs messages as they come, one batch after the other. */
export class BatchPacker {
  private readonly buffer = Buffer.allocUnsafe(VERSION_BYTES + BATCH_MAX_BYTES);
  private end = VERSION_BYTES;

  constructor() {
    this.buffer[0] = BATCH_VERSION;
  }

  /** `maxBytes`: `packedMaxBytes` of the message. */
  hasRoomFor(maxBytes: number): boolean {
    return this.end + maxBytes <= this.buffer.length;
  }

  add(message: LaneMessage): void {
    this.end = packMessage(this.buffer, this.end, message);
  }

  /** The batch of the messages since the last call. */
  take(): Buffer {
    const { end } = this;
    this.end = VERSION_BYTES;
    return Buffer.from(this.buffer.subarray(0, end));
  }
}

function packMessage(batch: Buffer, start: number, { isToUser, key, headers, body, toSession }: LaneMessage): number {
  let at = start + FIXED_BYTES;
  let text = toSession === undefined ? key : key + toSession;
  for (const [name, value] of headers) {
    batch.writeUInt16BE(name.length, at);
    batch.writeUInt32BE(value.length, at + 2);
    at += HEADER_BYTES;
    text += name + value;
  }
  const textBytes = batch.write(text, at, 'utf8');
  at += textBytes;
  body.copy(batch, at);
  batch.writeUInt32BE(textBytes, start);
  batch.writeUInt32BE(body.length, start + 4);
  batch.writeUInt16BE(headers.size, start + 8);
  batch.writeUInt16BE(key.length, start + 10);
  batch.writeUInt32BE(toSession === undefined ? 0 : toSession.length + 1, start + 12);
  batch[start + 16] = isToUser ? 1 : 0;
  return at + body.length;
}

/** Throws a BatchError for a batch of a newer version, and for one that no relay has written. */
export function unpackBatch(batch: Buffer): LaneMessage[] {
  const version = batch[0];
  if (version === undefined) throw malformed('it is empty');
  if (version > BATCH_VERSION) {
    throw new BatchError('newer', `a relay of a newer version has written it (format ${version})`);
  }
  if (version < BATCH_VERSION) throw malformed(`format ${version} is unknown`);
  const messages: LaneMessage[] = [];
  for (let at = VERSION_BYTES; at < batch.length;) {
    if (messages.length > 0) checkSize(batch, messages.length);
    at = unpackMessage(batch, at, messages);
  }
  return messages;
}

function unpackMessage(batch: Buffer, start: number, messages: LaneMessage[]): number {
  if (start + FIXED_BYTES > batch.length) throw malformed(CUT);
  const textAt = start + FIXED_BYTES + batch.readUInt16BE(start + 8) * HEADER_BYTES;
  const bodyAt = textAt + batch.readUInt32BE(start);
  const end = bodyAt + batch.readUInt32BE(start + 4);
  if (end > batch.length) throw malformed(CUT);
  const text = batch.toString('utf8', textAt, bodyAt);
  const keyUnits = batch.readUInt16BE(start + 10);
  const sessionUnits = batch.readUInt32BE(start + 12) - 1;
  let unit = keyUnits + Math.max(sessionUnits, 0);
  const headers = new Map<string, string>();
  for (let at = start + FIXED_BYTES; at < textAt; at += HEADER_BYTES) {
    const valueAt = unit + batch.readUInt16BE(at);
    const next = valueAt + batch.readUInt32BE(at + 2);
    headers.set(text.slice(unit, valueAt), text.slice(valueAt, next));
    unit = next;
  }
  if (unit !== text.length) throw malformed('its lengths contradict each other');
  messages.push({
    isToUser: batch[start + 16] === 1,
    key: text.slice(0, keyUnits),
    headers,
    toSession: sessionUnits < 0 ? undefined : text.slice(keyUnits, keyUnits + sessionUnits),
    // A view would keep the whole batch in memory
    body: Buffer.from(batch.subarray(bodyAt, end)),
  });
  return end;
}

/** Messages of a few bytes take a hundred times as much memory when they are unpacked. */
function checkSize({ length }: Buffer, count: number): void {
  if (length > VERSION_BYTES + BATCH_MAX_BYTES) throw malformed(`more than one message, and ${length} bytes`);
  if (count === BATCH_MAX_COUNT) throw malformed(`more than ${BATCH_MAX_COUNT} messages`);
}

function malformed(reason: string): BatchError {
  return new BatchError('malformed', reason);
}
