import { expect, test } from '@jest/globals';
import { columnTypes } from '../../../../examples/row-streamer/column-types.js';

test.each([
  ['boolean', 16, 't', true],
  ['bytea', 17, '\\x0aff', 'Cv8='],
  ['bigint', 20, '9223372036854775807', '9223372036854775807'],
  ['integer', 23, '-5', -5],
  ['json', 114, '{"a":[1]}', { a: [1] }],
  ['double precision', 701, '1.5e-07', 1.5e-7],
  ['double precision, not a number', 701, 'NaN', 'NaN'],
  ['real, infinite', 700, '-Infinity', '-Infinity'],
  ['date', 1082, '2026-01-31', '2026-01-31'],
  ['timestamp', 1114, '2026-01-31 12:00:00.123456', '2026-01-31T12:00:00.123456'],
  ['timestamptz', 1184, '2026-01-31 12:00:00+00', '2026-01-31T12:00:00+00:00'],
  ['timestamptz, half an hour off', 1184, '2026-01-31 12:00:00.5-03:30', '2026-01-31T12:00:00.5-03:30'],
  ['timestamptz, for ever', 1184, 'infinity', 'infinity'],
  ['timestamptz, long ago', 1184, '0044-03-15 12:00:00+00 BC', '0044-03-15 12:00:00+00 BC'],
  ['numeric', 1700, '0.10', '0.10'],
  ['array of integers', 1007, '{1,NULL,3}', [1, null, 3]],
  ['array of arrays of text', 1009, '{{a,"b,c"},{"NULL",d}}', [['a', 'b,c'], ['NULL', 'd']]], // prettier-ignore
  ['array of numerics', 1231, '{1.10,2}', ['1.10', '2']],
  ['array of timestamps', 1115, '{"2026-01-31 12:00:00"}', ['2026-01-31T12:00:00']],
  ['anything else', 869, '10.0.0.1', '10.0.0.1'],
])('%s', (_, type, text, value) => {
  const parse = columnTypes.getTypeParser(type) as (text: string) => unknown;
  expect(parse(text)).toEqual(value);
});
