/**
 * The records of a history file. A record is: the length of its content, a check of that length, the CRC-32 of the
 * content, and the content, which is the length of a JSON text, the text, and the message's body. With the check of the
 * length, a record that was cut off looks different from one that is damaged.
 */
import { crc32 } from 'node:zlib';
import type { RoutedMessage } from '../broker.js';
import { ExchangeMessage } from '../exchange-message.js';
import type { LogEntry } from '../history.js';

/** A record without its body. The names are short, because there is one for each message. */
export interface RecordMeta {
  /** The rule. */
  readonly r: string;
  readonly o: number;
  /** By the wall clock, because a later process compares it. */
  readonly t: number;
  readonly k: string;
  /** For a marker. */
  readonly m?: string | undefined;
  /** The exchange and the headers of a message, and its only session. */
  readonly e?: string | undefined;
  readonly h?: readonly (readonly [string, string])[] | undefined;
  readonly s?: string | undefined;
}

export interface StoredRecord {
  readonly meta: RecordMeta;
  readonly body: Buffer;
  /** The start of the next record. */
  readonly end: number;
}

const HEAD_BYTES = 12;
const LENGTH_BYTES = 4;
const EMPTY = Buffer.alloc(0);

export function encodeRecord(rule: string, entry: LogEntry): Buffer {
  const { message } = entry;
  const body = message?.body ?? EMPTY;
  const json = Buffer.from(JSON.stringify(metaOf(rule, entry)));
  const length = LENGTH_BYTES + json.length + body.length;
  const record = Buffer.allocUnsafe(HEAD_BYTES + length);
  record.writeUInt32BE(length, 0);
  record.writeUInt32BE(crc32(record.subarray(0, LENGTH_BYTES)), 4);
  record.writeUInt32BE(json.length, HEAD_BYTES);
  json.copy(record, HEAD_BYTES + LENGTH_BYTES);
  body.copy(record, HEAD_BYTES + LENGTH_BYTES + json.length);
  record.writeUInt32BE(crc32(record.subarray(HEAD_BYTES)), 8);
  return record;
}

/** `cut`: the end of the content is not a whole record. `damaged`: it was one. */
export function recordAt(content: Buffer, at: number): StoredRecord | 'cut' | 'damaged' {
  const rest = content.subarray(at);
  if (rest.length < HEAD_BYTES) return 'cut';
  const length = rest.readUInt32BE(0);
  // A file system may have made the file longer without its content
  if (crc32(rest.subarray(0, LENGTH_BYTES)) !== rest.readUInt32BE(4)) return isBlank(rest) ? 'cut' : 'damaged';
  const inner = rest.subarray(HEAD_BYTES, HEAD_BYTES + length);
  if (inner.length < length) return 'cut';
  const isLast = rest.length === HEAD_BYTES + length;
  if (crc32(inner) !== rest.readUInt32BE(8)) return isLast || isBlank(rest.subarray(HEAD_BYTES)) ? 'cut' : 'damaged';
  const jsonEnd = LENGTH_BYTES + inner.readUInt32BE(0);
  const meta = JSON.parse(inner.toString('utf8', LENGTH_BYTES, jsonEnd)) as RecordMeta;
  // A copy, so that one message does not keep the whole file in memory
  return { meta, body: Buffer.from(inner.subarray(jsonEnd)), end: at + HEAD_BYTES + length };
}

export function decodeEntry({ meta, body }: StoredRecord, topicExchange: string): LogEntry {
  const { o: offset, k: key, m: marker, e: exchange = '', h: headers = [], s: toSession } = meta;
  if (marker !== undefined) return { offset, key, message: undefined, marker };
  const message = { headers: new Map(headers), body, toSession };
  return { offset, key, message: new ExchangeMessage(message, exchange, key, topicExchange) };
}

function metaOf(rule: string, { offset, key, message, marker }: LogEntry): RecordMeta {
  const place = { r: rule, o: offset, t: Date.now(), k: key };
  if (!message) return { ...place, m: marker };
  const { headers, toSession } = message;
  return { ...place, e: exchangeOf(message), h: [...headers], s: toSession };
}

function exchangeOf(message: RoutedMessage): string | undefined {
  return message instanceof ExchangeMessage ? message.exchange : undefined;
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
