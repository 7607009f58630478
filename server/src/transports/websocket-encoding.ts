/**
 * STOMP frames as WebSocket messages. Each frame is one unfragmented, unmasked message (RFC 6455, sections 5.1 and
 * 5.2). Header and payload are in one Buffer, so that the same bytes can be written to any number of sockets.
 *
 * Connections with permessage-deflate compress each message themselves. Their encoding creates the same bytes;
 * `unwrapMessages` splits them again, and reads the type (text or binary) and the length from the header.
 */
import type { Encoding } from './connection.js';

const FIN_TEXT = 0x81;
const FIN_BINARY = 0x82;

/** The extended payload length follows in 2 or 8 bytes. */
const LENGTH_16 = 126;
const LENGTH_64 = 127;

function wrap(frame: Buffer, isText: boolean): Buffer {
  return wrapBeginning(frame, 0, isText);
}

function wrapBeginning(beginning: Buffer, restBytes: number, isText: boolean): Buffer {
  const length = beginning.length + restBytes;
  const headerBytes = length < LENGTH_16 ? 2 : length < 0x10000 ? 4 : 10;
  const wrapped = Buffer.allocUnsafe(headerBytes + beginning.length);
  wrapped[0] = isText ? FIN_TEXT : FIN_BINARY;
  if (headerBytes === 2) {
    wrapped[1] = length;
  } else if (headerBytes === 4) {
    wrapped[1] = LENGTH_16;
    wrapped.writeUInt16BE(length, 2);
  } else {
    wrapped[1] = LENGTH_64;
    wrapped.writeBigUInt64BE(BigInt(length), 2);
  }
  beginning.copy(wrapped, headerBytes);
  return wrapped;
}

export interface UnwrappedMessage {
  readonly payload: Buffer;
  readonly isBinary: boolean;
}

/** Splits one or several concatenated results of `wrap`. */
export function* unwrapMessages(wrapped: Buffer): Generator<UnwrappedMessage, void, undefined> {
  let offset = 0;
  while (offset < wrapped.length) {
    const isBinary = wrapped[offset] === FIN_BINARY;
    let length = wrapped.readUInt8(offset + 1);
    offset += 2;
    if (length === LENGTH_16) {
      length = wrapped.readUInt16BE(offset);
      offset += 2;
    } else if (length === LENGTH_64) {
      length = Number(wrapped.readBigUInt64BE(offset));
      offset += 8;
    }
    yield { payload: wrapped.subarray(offset, offset + length), isBinary };
    offset += length;
  }
}

export const PLAIN_ENCODING: Encoding = Object.freeze({ name: 'websocket', wrap, wrapBeginning });
export const DEFLATE_ENCODING: Encoding = Object.freeze({ name: 'websocket-deflate', wrap, wrapBeginning });
