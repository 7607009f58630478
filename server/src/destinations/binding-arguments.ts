/**
 * The headers of a SUBSCRIBE to a headers exchange: `x-match`, `arg-NAME:value` for each header to match, and
 * `arg-type-NAME:TYPE` if that header is not text. For RabbitMQ, text never equals a number or a boolean.
 */
import { boolean, HeaderError, integer, invalid, oneOf } from './header-values.js';

/** A number as AMQP's tables distinguish them. Equal numbers have equal `digits`. */
export interface TypedNumber {
  readonly type: 'int' | 'long' | 'double';
  readonly digits: string;
}

export type BindingArguments = Readonly<Record<string, string | boolean | TypedNumber>>;
type Value = BindingArguments[string];
type Headers = ReadonlyMap<string, string>;

const TEXT_PREFIX = 'arg-';
const TYPE_PREFIX = 'arg-type-';
const NAME_MAX_BYTES = 255;

const int = integer(-(2 ** 31), 2 ** 31 - 1);

const READERS = {
  int: (name: string, value: string) => number('int', int(name, value)),
  long: (name: string, value: string) => number('long', long(name, value)),
  double: (name: string, value: string) => number('double', double(name, value)),
  bool: boolean,
} as const;

const typeOf = oneOf(...(Object.keys(READERS) as (keyof typeof READERS)[]));
const matchOf = oneOf('all', 'any', 'all-with-x', 'any-with-x');

/** Throws a HeaderError. */
export function bindingArguments(headers: Headers): BindingArguments {
  const entries: [string, Value][] = [];
  for (const [header, value] of headers) {
    if (header === 'x-match') entries.push([header, matchOf(header, value.trim())]);
    else if (isType(header)) requireArgument(header, headers);
    else if (header.startsWith(TEXT_PREFIX) && header.length > TEXT_PREFIX.length) {
      entries.push(argument(header, value, headers));
    }
  }
  // Assignment would take a header named __proto__ for the prototype
  return Object.fromEntries(entries);
}

function isType(header: string): boolean {
  return header.startsWith(TYPE_PREFIX) && header.length > TYPE_PREFIX.length;
}

function requireArgument(header: string, headers: Headers): void {
  const argumentHeader = TEXT_PREFIX + header.slice(TYPE_PREFIX.length);
  if (headers.has(argumentHeader)) return;
  throw new HeaderError(
    `The header ${header.slice(0, 60)} gives the type of ${argumentHeader.slice(0, 60)}, which is missing: add it with the ` +
      'value to match.',
  );
}

function argument(header: string, value: string, headers: Headers): [string, Value] {
  const name = header.slice(TEXT_PREFIX.length);
  if (Buffer.byteLength(name) > NAME_MAX_BYTES) {
    throw new HeaderError(
      `The header ${header.slice(0, 60)}... is not valid: NAME of arg-NAME has at most ${NAME_MAX_BYTES} bytes.`,
    );
  }
  const typeHeader = TYPE_PREFIX + name;
  const type = headers.get(typeHeader);
  if (type === undefined) return [name, value];
  return [name, READERS[typeOf(typeHeader, type.trim())](header, value.trim())];
}

function number(type: TypedNumber['type'], value: number | bigint): TypedNumber {
  return { type, digits: String(value) };
}

function long(name: string, value: string): bigint {
  const given = /^-?\d{1,19}$/.test(value) ? BigInt(value) : undefined;
  if (given !== undefined && BigInt.asIntN(64, given) === given) return given;
  throw invalid(name, value, `a whole number from ${-(2n ** 63n)} to ${2n ** 63n - 1n}`);
}

function double(name: string, value: string): number {
  const given = value.length <= 400 && /^-?\d+(\.\d+)?([eE][+-]?\d{1,3})?$/.test(value) ? Number(value) : NaN;
  if (Number.isFinite(given)) return given;
  throw invalid(name, value, 'a decimal number such as -1.5 or 2e10, within the range of a double');
}

/** The same text for the same arguments in any order. */
export function argumentsText(given: BindingArguments): string {
  return JSON.stringify(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1)));
}
