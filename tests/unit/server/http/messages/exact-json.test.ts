import { describe, expect, test } from '@jest/globals';
import { ExactJson, hasLongNumber, keepExactJson } from '../../../../../server/src/http/messages/exact-json.js';
import { fc } from '../../../../support/properties.js';

function kept(text: string): unknown {
  const given: unknown = JSON.parse(text);
  keepExactJson(given, text);
  return given;
}

test.each([
  ['{"json":9007199254740993}', true],
  ['{"json":0.12345678901234567}', true],
  ['{"json":123456789012345}', false],
  ['{"body":"12345678-1234-1234"}', false],
])('%s has a long number: %s', (text, expected) => {
  expect(hasLongNumber(Buffer.from(text))).toBe(expected);
});

describe('keepExactJson', () => {
  test('keeps json of one message as it was written', () => {
    const json = '{ "n" : 9007199254740993, "s": "}\\"]\\\\", "l": [1.0, 1e400, null] }';
    const text = ` {"destination":"/topic/a" , "json" : ${json} , "headers":{"json":1}}\n`;
    expect(kept(text)).toEqual({ destination: '/topic/a', json: new ExactJson(json), headers: { json: 1 } });
  });

  test.each(['9007199254740993', '"text"', 'true', 'null', '{}', '[]', '-1.5e3'])('json may be %s', (json) => {
    expect(kept(`{"json":${json}}`)).toEqual({ json: new ExactJson(json) });
    expect(kept(`{"json": ${json} ,"body":null}`)).toEqual({ json: new ExactJson(json), body: null });
  });

  test('keeps json of each message of a batch', () => {
    expect(kept('{"messages":[{"json":1.0},{"body":"x"},7,{"js\\u006fn":[2.0]}],"more":{"json":3}}')).toEqual({
      messages: [{ json: new ExactJson('1.0') }, { body: 'x' }, 7, { json: new ExactJson('[2.0]') }],
      more: { json: 3 },
    });
  });

  test('takes the last of equal members', () => {
    expect(kept('{"json":1.0,"json":2.0}')).toEqual({ json: new ExactJson('2.0') });
    expect(kept('{"messages":[{"json":1.0},5,[6]],"messages":[{"body":"x"},{"json":2.0},{}]}')).toEqual({
      messages: [{ body: 'x' }, { json: new ExactJson('2.0') }, {}],
    });
    expect(kept('{"messages":{"json":1.0},"messages":[{"json":2.0}]}')).toEqual({
      messages: [{ json: new ExactJson('2.0') }],
    });
    expect(kept('{"messages":[{"json":1.0}],"messages":3}')).toEqual({ messages: 3 });
  });

  test.each(['[{"json":1}]', '5', 'null', '"json"'])('leaves %s as it is', (text) => {
    expect(kept(text)).toEqual(JSON.parse(text));
  });

  test('takes nesting of any depth', () => {
    const json = '['.repeat(200_000) + ']'.repeat(200_000);
    expect((kept(`{"json":${json}}`) as { json: ExactJson }).json.text).toBe(json);
  });

  test('every json is the text of the same value', () => {
    const value = fc.jsonValue();
    fc.assert(
      fc.property(value, fc.array(value), fc.constantFrom(0, 2), (one, many, indent) => {
        const text = JSON.stringify(
          { more: many, json: one, messages: many.map((json) => ({ a: 1, json })) },
          null,
          indent,
        );
        const given = kept(text) as { json: ExactJson; messages: { json: ExactJson }[] };
        expect(JSON.parse(given.json.text)).toEqual(JSON.parse(JSON.stringify(one)));
        const texts = given.messages.map(({ json }) => JSON.parse(json.text) as unknown);
        expect(texts).toEqual(JSON.parse(JSON.stringify(many)));
      }),
    );
  });
});
