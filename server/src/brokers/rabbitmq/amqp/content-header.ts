/**
 * Reads the content headers of deliveries in place of amqplib: their properties, and their headers table
 * (`table-reader.ts`). A content header that cannot be read costs its message, and not the connection.
 */
import type { ChannelModel, Message } from 'amqplib';
import { ByteReader, readTable, readUInt64, TableError } from './table-reader.js';
import type { Table } from './table-reader.js';

/** The properties under amqplib's names. */
interface ReadProperties {
  contentType: string | undefined;
  contentEncoding: string | undefined;
  headers: Table | undefined;
  deliveryMode: number | undefined;
  priority: number | undefined;
  correlationId: string | undefined;
  replyTo: string | undefined;
  expiration: string | undefined;
  messageId: string | undefined;
  timestamp: number | bigint | undefined;
  type: string | undefined;
  userId: string | undefined;
  appId: string | undefined;
  clusterId: string | undefined;
  /** The reason why nothing else could be read. */
  fault: string | undefined;
}

/** AMQP 0-9-1, 2.3.5 "Frame Details": type, channel, size; then the payload and the end. */
const FRAME_HEADER_BYTES = 7;
const FRAME_END_BYTES = 1;
const FRAME_END = 0xce;
const CONTENT_HEADER = 2;
/** Class, weight and size of the body, before the flags of the properties. */
const BEFORE_PROPERTIES_BYTES = 12;
const BASIC = 60;

interface DecodedFrame {
  readonly id: number;
  readonly channel: number;
  readonly size: number;
  readonly fields: ReadProperties;
}

/** The part of amqplib's connection that receives frames. */
interface FrameReceiver {
  /** Received bytes that are not decoded yet. */
  rest: Buffer;
  /** Returns the next decoded frame; false if it has not arrived completely. */
  recvFrame(): unknown;
}

/** From now on this file reads the content headers that arrive on the connection. */
export function readContentHeaders(model: ChannelModel): void {
  const receiver = model.connection as unknown as FrameReceiver;
  const receive = receiver.recvFrame.bind(receiver);
  receiver.recvFrame = () => takeContentHeader(receiver) ?? receive();
}

/** Undefined if the next frame is another one, or has not arrived completely, or is broken: amqplib handles it. */
function takeContentHeader(receiver: FrameReceiver): DecodedFrame | undefined {
  const { rest } = receiver;
  if (rest.length < FRAME_HEADER_BYTES || rest[0] !== CONTENT_HEADER) return undefined;
  const size = rest.readUInt32BE(3);
  const end = FRAME_HEADER_BYTES + size;
  if (size < BEFORE_PROPERTIES_BYTES || rest.length < end + FRAME_END_BYTES || rest[end] !== FRAME_END) {
    return undefined;
  }
  const payload = rest.subarray(FRAME_HEADER_BYTES, end);
  if (payload.readUInt16BE(0) !== BASIC) return undefined;
  receiver.rest = rest.subarray(end + FRAME_END_BYTES);
  return {
    id: BASIC,
    channel: rest.readUInt16BE(1),
    size: Number(readUInt64(payload, 4)),
    fields: readProperties(payload, BEFORE_PROPERTIES_BYTES),
  };
}

/** For the log. */
export const UNREADABLE = 'a message was dropped, because its headers cannot be read';

/** The reason why the properties of a message could not be read; undefined if they could. */
export function faultOf({ properties }: Pick<Message, 'properties'>): string | undefined {
  return (properties as Partial<ReadProperties>).fault;
}

/** Reads the flags at `offset` and the properties behind them. */
export function readProperties(bytes: Buffer, offset: number): ReadProperties {
  const properties = noProperties();
  try {
    fill(properties, new PropertyReader(bytes, offset));
    return properties;
  } catch (error) {
    if (error instanceof TableError) return { ...noProperties(), fault: error.message };
    throw error;
  }
}

function noProperties(): ReadProperties {
  return {
    contentType: undefined,
    contentEncoding: undefined,
    headers: undefined,
    deliveryMode: undefined,
    priority: undefined,
    correlationId: undefined,
    replyTo: undefined,
    expiration: undefined,
    messageId: undefined,
    timestamp: undefined,
    type: undefined,
    userId: undefined,
    appId: undefined,
    clusterId: undefined,
    fault: undefined,
  };
}

/** AMQP 0-9-1, 1.8 "basic": one flag for each property, from the highest bit on. */
function fill(properties: ReadProperties, reader: PropertyReader): void {
  const flags = reader.flags();
  if (flags & 0x8000) properties.contentType = reader.shortString();
  if (flags & 0x4000) properties.contentEncoding = reader.shortString();
  if (flags & 0x2000) properties.headers = reader.table();
  if (flags & 0x1000) properties.deliveryMode = reader.octet();
  if (flags & 0x0800) properties.priority = reader.octet();
  if (flags & 0x0400) properties.correlationId = reader.shortString();
  if (flags & 0x0200) properties.replyTo = reader.shortString();
  if (flags & 0x0100) properties.expiration = reader.shortString();
  if (flags & 0x0080) properties.messageId = reader.shortString();
  if (flags & 0x0040) properties.timestamp = reader.timestamp();
  if (flags & 0x0020) properties.type = reader.shortString();
  if (flags & 0x0010) properties.userId = reader.shortString();
  if (flags & 0x0008) properties.appId = reader.shortString();
  if (flags & 0x0004) properties.clusterId = reader.shortString();
}

class PropertyReader extends ByteReader {
  flags(): number {
    return this.bytes.readUInt16BE(this.skip(2));
  }

  octet(): number {
    return this.bytes[this.skip(1)]!;
  }

  timestamp(): number | bigint {
    return readUInt64(this.bytes, this.skip(8));
  }

  shortString(): string {
    return this.text(this.octet());
  }

  table(): Table {
    const start = this.offset;
    this.skip(this.bytes.readUInt32BE(this.skip(4)));
    return readTable(this.bytes, start);
  }
}
