import { expect, test } from '@jest/globals';
import { HeaderTables, TableColumns } from '../../../../../../server/src/brokers/rabbitmq/amqp/header-tables.js';

function tableOf(tables: HeaderTables, headers: [name: string, value: string][]): Record<string, string> {
  const columns = new TableColumns();
  for (const [name, value] of headers) columns.add(name, value);
  return tables.with(columns);
}

test('messages with the same header names in the same order share a table with the latest values', () => {
  const tables = new HeaderTables();
  const first = tableOf(tables, [
    ['user', 'ann'],
    ['session', '1'],
  ]);
  const second = tableOf(tables, [
    ['user', 'bob'],
    ['session', ''],
  ]);
  expect(second).toBe(first);
  expect(Object.entries(second)).toEqual([
    ['user', 'bob'],
    ['session', ''],
  ]);
});

test('a table contains no header of another message', () => {
  const tables = new HeaderTables();
  const seen = [
    [],
    ['a'],
    ['b'],
    ['ab'],
    ['a', 'b'],
    ['b', 'a'],
    ['a1', 'b'],
    ['a', '1:b'],
    ['a1:b'],
    ['1:a'],
    ['a\nb'],
  ];
  for (const names of [...seen, ...seen]) {
    const table = tableOf(
      tables,
      names.map((name) => [name, `of ${names.join()}`]),
    );
    expect(Object.entries(table)).toEqual(names.map((name) => [name, `of ${names.join()}`]));
  }
});

test('no header name has a meaning in JavaScript', () => {
  const tables = new HeaderTables();
  const table = tableOf(tables, [
    ['__proto__', 'a'],
    ['constructor', 'b'],
    ['hasOwnProperty', 'c'],
  ]);
  expect(Object.entries(table)).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
    ['hasOwnProperty', 'c'],
  ]);
  expect('valueOf' in tableOf(tables, [['toString', 'd']])).toBe(false);
});

test('the number of kept tables is bounded', () => {
  const tables = new HeaderTables();
  const first = tableOf(tables, [['x-0', '']]);
  for (let i = 1; i <= 64; i++) tableOf(tables, [[`x-${i}`, '']]);
  expect(tableOf(tables, [['x-0', '']])).not.toBe(first);
});
