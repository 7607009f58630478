import { describe, expect, test } from '@jest/globals';
import { decodeByType, encode, ReceivedMessage } from '../../../client-sdk/src/core/message.js';

function received(body: string, headers: Record<string, string> = {}, isUp = true) {
  const settled: string[] = [];
  const frame = {
    headers,
    body,
    binaryBody: new TextEncoder().encode(body),
    ack: () => void settled.push('ack'),
    nack: () => void settled.push('nack'),
  };
  return { message: new ReceivedMessage(frame, { isUp }, decodeByType), settled };
}

describe('decoding by content-type', () => {
  test.each([
    ['application/json', '{"a":1}', { a: 1 }],
    ['application/json;charset=utf-8', '[1]', [1]],
    ['application/problem+json', '1', 1],
    ['Application/JSON', 'null', null],
    ['text/plain', '1', '1'],
    ['text/html;charset=utf-8', '<b>', '<b>'],
    ['application/octet-stream', 'x', new Uint8Array([120])],
    ['image/png', 'x', new Uint8Array([120])],
    ['application/jsonlines', '{}', new Uint8Array([123, 125])],
    [undefined, '{"a":1}', { a: 1 }],
    [undefined, 'hello', 'hello'],
    [undefined, '', ''],
  ])('%s: %s', (type, body, data) => {
    expect(received(body, type === undefined ? {} : { 'content-type': type }).message.data).toEqual(data);
  });

  test('invalid JSON throws', () => {
    expect(() => received('{', { 'content-type': 'application/json' })).toThrow(
      /^A message from .* cannot be decoded: /,
    );
  });
});

describe('encoding', () => {
  test.each([
    ['text', 'text', 'text/plain;charset=utf-8'],
    [{ a: 1 }, '{"a":1}', 'application/json'],
    [null, 'null', 'application/json'],
    [undefined, '', 'application/json'],
  ])('%p', (data, body, contentType) => {
    expect(encode(data)).toEqual({ body, contentType });
  });

  test('bytes are bytes', () => {
    const bytes = new Uint8Array([0, 255]);
    expect(encode(bytes)).toEqual({ body: bytes, contentType: 'application/octet-stream' });
  });
});

describe('acknowledging', () => {
  test('uses the connection that brought the message', () => {
    const { message, settled } = received('x');
    const { ack, nack } = message; // listeners may destructure them
    ack();
    nack();
    expect(settled).toEqual(['ack', 'nack']);
  });

  test('does nothing after that connection has ended', () => {
    const { message, settled } = received('x', {}, false);
    message.ack();
    message.nack();
    expect(settled).toEqual([]);
  });
});
