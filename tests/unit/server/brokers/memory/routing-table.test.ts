import { describe, expect, jest, test } from '@jest/globals';
import type { ExchangeType } from '../../../../../server/src/brokers/memory/memory-options.js';
import { makeRoutingTable } from '../../../../../server/src/brokers/memory/routing-table.js';

const NO_HEADERS = new Map<string, string>();

describe('makeRoutingTable', () => {
  test.each<[ExchangeType, string[]]>([
    ['topic', ['a.*', 'a.b']],
    ['direct', ['a.b']],
    ['fanout', ['a.*', 'a.b', 'c']],
  ])('%s', (type, matching) => {
    const table = makeRoutingTable<string>(type);
    for (const key of ['a.b', 'a.*', 'c']) table.set(key, {}, key);
    expect([...table.match('a.b', NO_HEADERS)].sort()).toEqual(matching);
    expect(table.get('a.*', {})).toBe('a.*');
    table.delete('a.b', {});
    expect(table.get('a.b', {})).toBeUndefined();
    expect(table.match('a.b', NO_HEADERS)).not.toContain('a.b');
  });

  test('the end of many bindings of a fanout exchange makes no list of the others', () => {
    const table = makeRoutingTable<string>('fanout');
    for (const key of ['a', 'b', 'c']) table.set(key, {}, key);
    const before = table.match('', NO_HEADERS);
    const values = jest.spyOn(Map.prototype, 'values');
    table.delete('a', {});
    table.delete('b', {});
    const lists = values.mock.calls.length;
    values.mockRestore();
    expect(lists).toBe(0);
    expect(before).toEqual(['a', 'b', 'c']);
    expect(table.match('', NO_HEADERS)).toEqual(['c']);
  });

  test.each<[Record<string, string>, Record<string, string>, boolean]>([
    [{}, {}, true],
    [{ a: '1' }, { a: '1', b: '2' }, true],
    [{ a: '1', b: '2' }, { a: '1' }, false],
    [{ 'x-match': 'all', a: '1' }, { a: '2' }, false],
    [{ 'x-match': 'any', a: '1', b: '2' }, { b: '2' }, true],
    [{ 'x-match': 'any', a: '1', b: '2' }, { b: '1' }, false],
    [{ 'x-match': 'any' }, { a: '1' }, false],
    [{ 'x-match': 'all', 'x-other': '1' }, {}, true],
    [{ 'x-match': 'all-with-x', 'x-other': '1' }, {}, false],
    [{ 'x-match': 'any-with-x', 'x-other': '1' }, { 'x-other': '1' }, true],
  ])('headers: %j matches %j: %s', (bindingArguments, headers, expected) => {
    const table = makeRoutingTable<string>('headers');
    table.set('any.key', bindingArguments, 'found');
    expect(table.match('', new Map(Object.entries(headers)))).toEqual(expected ? ['found'] : []);
  });

  test('a typed argument equals no header, because headers are text', () => {
    const typed = { a: { type: 'int', digits: '1' }, b: true } as const;
    const headers = new Map(Object.entries({ a: '1', b: 'true', c: 'x' }));
    const matches = (more: Record<string, string>) => {
      const table = makeRoutingTable<string>('headers');
      table.set('', { ...typed, ...more }, 'found');
      return table.match('', headers).length > 0;
    };
    expect(matches({ 'x-match': 'all' })).toBe(false);
    expect(matches({ 'x-match': 'any' })).toBe(false);
    expect(matches({ 'x-match': 'any', c: 'x' })).toBe(true);
  });

  test('key and arguments, in any order, identify a binding of a headers exchange', () => {
    const table = makeRoutingTable<number>('headers');
    table.set('k', { a: '1', b: '2' }, 1);
    table.set('k', { b: '2', a: '1' }, 2);
    table.set('l', { a: '1', b: '2' }, 3);
    expect(table.get('k', { a: '1', b: '2' })).toBe(2);
    table.delete('l', { b: '2', a: '1' });
    expect(table.match('', new Map(Object.entries({ a: '1', b: '2' })))).toEqual([2]);
  });
});
