import { describe, expect, test } from '@jest/globals';
import {
  Decimal,
  readTable,
  TableError,
  Timestamp,
} from '../../../../../../server/src/brokers/rabbitmq/amqp/table-reader.js';
import { fc } from '../../../../../support/properties.js';
import { codec, encodedTable } from './amqplib-codec.js';

const roundTrip = (table: object) => readTable(encodedTable(table), 0);
const tagged = (type: string, value: unknown) => ({ '!': type, value });

describe('readTable', () => {
  test.each([
    ['text', 'é\n☕', 'é\n☕'],
    ['an empty text', '', ''],
    ['a boolean', true, true],
    ['nothing', null, null],
    ['int8', tagged('int8', -128), -128],
    ['uint8', tagged('uint8', 255), 255],
    ['int16', tagged('int16', -32_768), -32_768],
    ['uint16', tagged('uint16', 65_535), 65_535],
    ['int32', tagged('int32', -(2 ** 31)), -(2 ** 31)],
    ['uint32', tagged('uint32', 2 ** 32 - 1), 2 ** 32 - 1],
    ['a small int64', tagged('int64', -5), -5],
    ['the largest exact int64', tagged('int64', Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER],
    ['an int64 beyond 2^53', tagged('int64', 9_007_199_254_740_993n), 9_007_199_254_740_993n],
    ['the largest int64', tagged('int64', 2n ** 63n - 1n), 2n ** 63n - 1n],
    ['the smallest int64', tagged('int64', -(2n ** 63n)), -(2n ** 63n)],
    ['a double', 0.1, 0.1],
    ['a float', tagged('float', 1.5), 1.5],
    ['bytes', Buffer.from([0, 255]), Buffer.from([0, 255])],
    ['a time', tagged('timestamp', 1_700_000_000), new Timestamp(1_700_000_000)],
    ['the last time', tagged('timestamp', 2n ** 64n - 1n), new Timestamp(2n ** 64n - 1n)],
    ['a decimal', tagged('decimal', { places: 2, digits: 1999 }), new Decimal(2, 1999)],
    ['a list', ['a', 1, [true]], ['a', 1, [true]]],
    ['a table', { a: { b: 'c' } }, { a: { b: 'c' } }],
  ])('reads %s', (_, given, expected) => {
    expect(roundTrip({ n: given, after: 'it' })).toEqual({ n: expected, after: 'it' });
  });

  test('reads an entry named __proto__, and leaves the prototype alone', () => {
    const given = Object.fromEntries([['__proto__', Object.fromEntries([['__proto__', 'x']])]]);
    const table = roundTrip(given);
    expect(Object.entries(table)).toEqual([['__proto__', expect.anything()]]);
    expect(Object.getPrototypeOf(table)).toBe(Object.prototype);
    const [[, inner]] = Object.entries(table) as [[string, object]];
    expect(Object.entries(inner)).toEqual([['__proto__', 'x']]);
  });

  test('reads a table in the middle of other bytes', () => {
    const bytes = Buffer.concat([Buffer.from([1, 2, 3]), encodedTable({ a: 'b' }), Buffer.from([9])]);
    expect(readTable(bytes, 3)).toEqual({ a: 'b' });
  });

  const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });
  const listed = (depth: number): unknown[] => (depth === 1 ? [] : [listed(depth - 1)]);

  test('refuses tables and lists that are nested more than 64 deep', () => {
    expect(roundTrip(nested(64))).toEqual(nested(64));
    expect(() => roundTrip(nested(65))).toThrow(new TableError('are nested more than 64 deep'));
    expect(roundTrip({ a: listed(63) })).toEqual({ a: listed(63) });
    expect(() => roundTrip({ a: listed(64) })).toThrow(TableError);
    expect(() => roundTrip(nested(1_000))).toThrow(TableError);
  });

  test('refuses more than 10,000 values', () => {
    const list = Array.from({ length: 9_999 }, () => null);
    expect(roundTrip({ list })).toEqual({ list });
    expect(() => roundTrip({ list: [...list, null] })).toThrow(new TableError('have more than 10000 values'));
  });

  test.each<[string, number[]]>([
    ['no length', []],
    ['half a length', [0, 0, 0]],
    ['a length beyond the bytes', [0, 0, 0, 1]],
    ['a name beyond the bytes', [0, 0, 0, 1, 5]],
    ['no value', [0, 0, 0, 2, 1, 97]],
    ['half a value', [0, 0, 0, 4, 1, 97, 0x49, 0]],
    ['a text beyond the bytes', [0, 0, 0, 7, 1, 97, 0x53, 255, 255, 255, 255]],
    ['binary beyond the bytes', [0, 0, 0, 7, 1, 97, 0x78, 0, 0, 0, 1]],
    ['a list beyond the bytes', [0, 0, 0, 7, 1, 97, 0x41, 0, 0, 0, 1]],
    ['a value beyond its table', [0, 0, 0, 3, 1, 97, 0x74, 1]],
    ['a value beyond its list', [0, 0, 0, 9, 1, 97, 0x41, 0, 0, 0, 1, 0x74, 1]],
  ])('refuses a table with %s', (_, bytes) => {
    expect(() => readTable(Buffer.from(bytes), 0)).toThrow(new TableError('end before the end of a value'));
  });

  test('refuses an unknown type', () => {
    expect(() => readTable(Buffer.from([0, 0, 0, 3, 1, 97, 0x5a]), 0)).toThrow(/unknown type "Z"/);
  });
});

describe('compared with amqplib', () => {
  const number = fc.oneof(fc.integer(), fc.maxSafeInteger());
  const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => tagged('int64', value));
  // amqplib gives "!" a meaning, and loses __proto__
  const name = fc.string({ maxLength: 10 }).filter((each) => each !== '!' && each !== '__proto__');
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'binary' }),
      fc.boolean(),
      fc.constant(null),
      number,
      fc.double().map((double) => tagged('double', double)),
      long,
      fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
      fc.nat().map((seconds) => tagged('timestamp', seconds)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  const table = fc.dictionary(name, value, { maxKeys: 8, noNullPrototype: true });

  /** Our values as amqplib reads them: numbers are rounded. */
  function rounded(given: unknown): unknown {
    if (typeof given === 'bigint') return Number(given);
    if (given instanceof Timestamp) return tagged('timestamp', Number(given.seconds));
    if (given instanceof Decimal) return tagged('decimal', { places: given.places, digits: given.digits });
    if (Array.isArray(given)) return given.map(rounded);
    if (typeof given !== 'object' || given === null || Buffer.isBuffer(given)) return given;
    return Object.fromEntries(Object.entries(given).map(([name, inner]) => [name, rounded(inner)]));
  }

  test('every table that amqplib writes is read as amqplib reads it', () => {
    fc.assert(
      fc.property(table, (given) => {
        const bytes = encodedTable(given);
        expect(rounded(readTable(bytes, 0))).toEqual(codec.decodeFields(bytes.subarray(4)));
      }),
      { numRuns: 500 },
    );
  });

  test('changed bytes are read, or refused with a TableError', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(table, changes, fc.nat(), (given, edits, cut) => {
        const whole = encodedTable(given);
        for (const [place, byte] of edits) whole[place % whole.length] = byte;
        const bytes = whole.subarray(0, whole.length - (cut % 3 === 0 ? cut % whole.length : 0));
        try {
          readTable(bytes, 0);
        } catch (error) {
          expect(error).toBeInstanceOf(TableError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});
