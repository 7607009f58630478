/**
 * Conversion of PostgreSQL's types to JSON. PostgreSQL sends text; this table converts some types. No digit is lost:
 * bigint and numeric stay text (cast them in the query to get a number), as do NaN and the infinities, which JSON does
 * not have. Times become ISO 8601 without a Date, which would drop microseconds and move dates by a time zone.
 */
import pg from 'pg';

const asIs = (text) => text;
const toBoolean = (text) => text === 't';
const toJson = (text) => JSON.parse(text);
const toBase64 = (text) => Buffer.from(text.slice(2), 'hex').toString('base64'); // \x0aff

function toNumber(text) {
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}

/** `2026-01-31 12:00:00.5+02` becomes `2026-01-31T12:00:00.5+02:00`. `infinity` and years BC stay unchanged. */
function toIsoTime(text) {
  return text.replace(/^(\d+-\d\d-\d\d) ([\d:.]+)([+-]\d\d)?(:\d\d)?$/, (_, day, time, hours = '', minutes) => {
    return `${day}T${time}${hours}${minutes ?? (hours && ':00')}`;
  });
}

/** [type, array type, converter]: numbers of PostgreSQL's catalogue pg_type. */
const TYPES = [
  [16, 1000, toBoolean], // boolean
  [17, 1001, toBase64], // bytea
  [20, 1016, asIs], // bigint
  [21, 1005, toNumber], // smallint
  [23, 1007, toNumber], // integer
  [25, 1009, asIs], // text
  [26, 1028, toNumber], // oid
  [114, 199, toJson], // json
  [700, 1021, toNumber], // real
  [701, 1022, toNumber], // double precision
  [1042, 1014, asIs], // char(n)
  [1043, 1015, asIs], // varchar
  [1082, 1182, asIs], // date: 2026-01-31
  [1114, 1115, toIsoTime], // timestamp
  [1184, 1185, toIsoTime], // timestamptz
  [1700, 1231, asIs], // numeric
  [2950, 2951, asIs], // uuid
  [3802, 3807, toJson], // jsonb
];

const PARSERS = new Map();
for (const [type, arrayType, parse] of TYPES) {
  const parseItem = (item) => (item === null ? null : parse(item));
  PARSERS.set(type, parse);
  PARSERS.set(arrayType, (text) => pg.types.arrayParser.create(text, parseItem).parse());
}

/** For `pg`: types outside the table keep the text that psql would show. */
export const columnTypes = { getTypeParser: (type) => PARSERS.get(type) ?? asIs };
