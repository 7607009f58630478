/**
 * Reads field tables of AMQP (https://www.rabbitmq.com/amqp-0-9-1-errata, section 3). amqplib's reader rounds 64-bit
 * integers, loses entries named `__proto__`, and closes the connection over a table that is malformed or nested too
 * deeply. This one keeps both, checks every length, and throws a TableError.
 */

/** `message` completes the sentence "its headers ...". */
export class TableError extends Error {
  override readonly name = 'TableError';
}

/** Seconds since 1970. */
export class Timestamp {
  constructor(readonly seconds: number | bigint) {}
}

/** `digits` with the last `places` of them behind the point. */
export class Decimal {
  constructor(
    readonly places: number,
    readonly digits: number,
  ) {}
}

/** An integer beyond 2^53 is a bigint. */
export type TableValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Buffer
  | Timestamp
  | Decimal
  | TableValue[]
  | { [name: string]: TableValue };
export type Table = Record<string, TableValue>;

/** Tables and lists within each other. The relay reads and writes them recursively. */
const DEPTH_MAX = 64;
/** The entries and items of a table, including those of all inner ones. */
const VALUES_MAX = 10_000;

const TABLE = 0x46; // F
const TWO_32 = 2 ** 32;

/** Reads the table that begins at `offset` with its length. Throws a TableError. */
export function readTable(bytes: Buffer, offset: number): Table {
  const reader = new TableReader(bytes, offset);
  return reader.table(1);
}

/** Reads bytes from `offset` on. Throws a TableError at their end. */
export class ByteReader {
  constructor(
    protected readonly bytes: Buffer,
    protected offset: number,
  ) {}

  protected text(length: number): string {
    const start = this.skip(length);
    return this.bytes.toString('utf8', start, start + length);
  }

  /** Returns the offset of the skipped bytes. */
  protected skip(length: number): number {
    const start = this.offset;
    this.offset = start + length;
    if (this.offset > this.bytes.length) throw overlong();
    return start;
  }
}

class TableReader extends ByteReader {
  private values = 0;

  table(depth: number): Table {
    const end = this.endOf(depth);
    const table: Table = {};
    while (this.offset < end) {
      const length = this.bytes[this.offset++]!;
      const name = this.text(length);
      const value = this.value(depth);
      if (name === '__proto__') define(table, name, value);
      else table[name] = value;
    }
    if (this.offset > end) throw overlong();
    return table;
  }

  private list(depth: number): TableValue[] {
    const end = this.endOf(depth);
    const list: TableValue[] = [];
    while (this.offset < end) list.push(this.value(depth));
    if (this.offset > end) throw overlong();
    return list;
  }

  private endOf(depth: number): number {
    if (depth > DEPTH_MAX) throw new TableError(`are nested more than ${DEPTH_MAX} deep`);
    const length = this.bytes.readUInt32BE(this.skip(4));
    const end = this.offset + length;
    if (end > this.bytes.length) throw overlong();
    return end;
  }

  private value(depth: number): TableValue {
    if (++this.values > VALUES_MAX) throw new TableError(`have more than ${VALUES_MAX} values`);
    const { bytes } = this;
    const tag = bytes[this.skip(1)]!;
    switch (tag) {
      case 0x53: // S
        return this.text(bytes.readUInt32BE(this.skip(4)));
      case 0x49: // I
        return bytes.readInt32BE(this.skip(4));
      case 0x6c: // l
        return readInt64(bytes, this.skip(8));
      case 0x74: // t
        return bytes[this.skip(1)] !== 0;
      case TABLE:
        return this.table(depth + 1);
      case 0x41: // A
        return this.list(depth + 1);
      case 0x56: // V
        return null;
      default:
        return this.rareValue(tag);
    }
  }

  private rareValue(tag: number): TableValue {
    const { bytes } = this;
    switch (tag) {
      case 0x62: // b
        return bytes.readInt8(this.skip(1));
      case 0x42: // B
        return bytes[this.skip(1)]!;
      case 0x73: // s
        return bytes.readInt16BE(this.skip(2));
      case 0x75: // u
        return bytes.readUInt16BE(this.skip(2));
      case 0x69: // i
        return bytes.readUInt32BE(this.skip(4));
      case 0x64: // d
        return bytes.readDoubleBE(this.skip(8));
      case 0x66: // f
        return bytes.readFloatBE(this.skip(4));
      case 0x44: // D
        return new Decimal(bytes[this.skip(1)]!, bytes.readUInt32BE(this.skip(4)));
      case 0x54: // T
        return new Timestamp(readUInt64(bytes, this.skip(8)));
      case 0x78: // x
        return this.binary(bytes.readUInt32BE(this.skip(4)));
      default:
        throw new TableError(`have a value of the unknown type ${JSON.stringify(String.fromCharCode(tag))}`);
    }
  }

  private binary(length: number): Buffer {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }
}

/** An assignment would change the prototype. */
function define(table: Table, name: string, value: TableValue): void {
  Object.defineProperty(table, name, { value, enumerable: true, configurable: true, writable: true });
}

function overlong(): TableError {
  return new TableError('end before the end of a value');
}

function readInt64(bytes: Buffer, offset: number): number | bigint {
  const value = bytes.readInt32BE(offset) * TWO_32 + bytes.readUInt32BE(offset + 4);
  return Number.isSafeInteger(value) ? value : bytes.readBigInt64BE(offset);
}

export function readUInt64(bytes: Buffer, offset: number): number | bigint {
  const value = bytes.readUInt32BE(offset) * TWO_32 + bytes.readUInt32BE(offset + 4);
  return Number.isSafeInteger(value) ? value : bytes.readBigUInt64BE(offset);
}
