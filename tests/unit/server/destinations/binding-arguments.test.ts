import { describe, expect, test } from '@jest/globals';
import { argumentsText, bindingArguments } from '../../../../server/src/destinations/binding-arguments.js';
import { HeaderError } from '../../../../server/src/destinations/header-values.js';

const read = (values: Record<string, string>) => bindingArguments(new Map(Object.entries(values)));

describe('bindingArguments', () => {
  test('takes x-match and arg-NAME', () => {
    expect(read({ 'x-match': 'any', 'arg-colour': ' red', 'arg-type': 'x', 'arg-': 'x', other: 'y' })).toEqual({
      'x-match': 'any',
      colour: ' red',
      type: 'x',
    });
    expect(() => read({ 'x-match': 'some' })).toThrow(/one of all, any/);
    expect(() => read({ [`arg-${'x'.repeat(256)}`]: 'y' })).toThrow(/at most 255 bytes/);
  });

  test('takes a header named __proto__', () => {
    expect(Object.entries(read({ ['arg-__proto__']: 'x' }))).toEqual([['__proto__', 'x']]);
  });

  test.each([
    ['int', ' -2147483648', { type: 'int', digits: '-2147483648' }],
    ['int', '-0', { type: 'int', digits: '0' }],
    ['int', '007', { type: 'int', digits: '7' }],
    ['long', '9223372036854775807', { type: 'long', digits: '9223372036854775807' }],
    ['long', '-9223372036854775808', { type: 'long', digits: '-9223372036854775808' }],
    ['long', '09007199254740993', { type: 'long', digits: '9007199254740993' }],
    ['double', '1.50', { type: 'double', digits: '1.5' }],
    ['double', '-2E3', { type: 'double', digits: '-2000' }],
    [' bool ', 'True', true],
    ['bool', 'false', false],
  ])('arg-type-n:%s with arg-n:%s', (type, value, expected) => {
    expect(read({ 'arg-n': value, 'arg-type-n': type })).toEqual({ n: expected });
    expect(read({ 'arg-type-n': type, 'arg-n': value })).toEqual({ n: expected });
  });

  test.each([
    ['integer', '1', 'The header arg-type-n:integer is not valid: its value must be one of int, long, double, bool.'],
    ['text', '1', 'The header arg-type-n:text is not valid'],
    [
      'int',
      '2147483648',
      'The header arg-n:2147483648 is not valid: its value must be a whole number from -2147483648',
    ],
    ['int', '1.5', 'The header arg-n:1.5 is not valid'],
    ['int', '', 'The header arg-n: is not valid'],
    ['long', '9223372036854775808', 'a whole number from -9223372036854775808 to 9223372036854775807'],
    ['long', '1e3', 'The header arg-n:1e3 is not valid'],
    ['double', '1e999', 'within the range of a double'],
    ['double', 'NaN', 'The header arg-n:NaN is not valid'],
    ['double', '0x10', 'The header arg-n:0x10 is not valid'],
    ['bool', '1', 'The header arg-n:1 is not valid: its value must be true or false.'],
  ])('arg-type-n:%s with arg-n:%s is refused', (type, value, sentence) => {
    const reading = () => read({ 'arg-n': value, 'arg-type-n': type });
    expect(reading).toThrow(HeaderError);
    expect(reading).toThrow(sentence);
  });

  test('a type without its argument is refused', () => {
    expect(() => read({ 'arg-type-n': 'int' })).toThrow(
      'The header arg-type-n gives the type of arg-n, which is missing',
    );
  });

  test('have the same text in any order, and another text for another type', () => {
    const [one, text] = [read({ 'arg-a': '1', 'arg-type-a': 'int' }), read({ 'arg-a': '1' })];
    expect(argumentsText({ ...one, b: 'x' })).toBe(argumentsText({ b: 'x', ...one }));
    expect(argumentsText(one)).not.toBe(argumentsText(text));
    expect(argumentsText(one)).not.toBe(argumentsText(read({ 'arg-a': '1', 'arg-type-a': 'long' })));
    expect(argumentsText(one)).toBe(argumentsText(read({ 'arg-a': '01', 'arg-type-a': 'int' })));
  });
});
