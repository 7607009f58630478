/**
 * The body of a message: `~#LD`, topic (6 hex digits), sequence number (8), time of sending in microseconds (16),
 * padding, `$`. Plain text of fixed width can be found in any protocol without decoding.
 */
export const MARK = Buffer.from('~#LD');
const TOPIC_AT = 4;
const SEQUENCE_AT = 10;
const TIME_AT = 18;

const DIGITS = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit += 1) DIGITS[digit.toString(16).charCodeAt(0)] = digit;

export function makeBody(bytes: number): Buffer {
  const body = Buffer.alloc(bytes, 'x');
  MARK.copy(body);
  body.write('$', bytes - 1);
  return body;
}

export function writeMark(target: Buffer, at: number, topic: number, sequence: number, micros: number): void {
  target.write(topic.toString(16).padStart(6, '0'), at + TOPIC_AT, 6, 'latin1');
  target.write(sequence.toString(16).padStart(8, '0'), at + SEQUENCE_AT, 8, 'latin1');
  target.write(micros.toString(16).padStart(16, '0'), at + TIME_AT, 16, 'latin1');
}

export function isMark(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x7e && bytes[at + 1] === 0x23 && bytes[at + 2] === 0x4c && bytes[at + 3] === 0x44;
}

/** Returns -1 if a character is not a hexadecimal digit. */
function readHex(bytes: Buffer, at: number, digits: number): number {
  let value = 0;
  let bad = 0;
  for (let i = at; i < at + digits; i += 1) {
    const digit = DIGITS[bytes[i] ?? 0] ?? -1;
    bad |= digit;
    value = value * 16 + digit;
  }
  return bad < 0 ? -1 : value;
}

export const readTopic = (bytes: Buffer, at: number): number => readHex(bytes, at + TOPIC_AT, 6);
export const readSequence = (bytes: Buffer, at: number): number => readHex(bytes, at + SEQUENCE_AT, 8);
export const readMicros = (bytes: Buffer, at: number): number => readHex(bytes, at + TIME_AT, 16);
