import { describe, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { copyKeys, toRoutedMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-message.js';
import { readTable } from '../../../../../../server/src/brokers/rabbitmq/amqp/table-reader.js';
import { encodedTable } from './amqplib-codec.js';

/** `headers` in amqplib's notation. They are encoded and read as on the wire. */
function incoming(
  { headers, ...others }: Record<string, unknown>,
  fields: Record<string, unknown> = {},
): ConsumeMessage {
  const allFields = {
    exchange: 'amq.topic',
    routingKey: 'k',
    deliveryTag: 1,
    redelivered: false,
    consumerTag: 'c',
    ...fields,
  };
  const properties = { ...others, headers: headers && readTable(encodedTable(headers), 0) };
  return { content: Buffer.from('x'), fields: allFields, properties } as unknown as ConsumeMessage;
}

const routed = (properties: Record<string, unknown>) => toRoutedMessage(incoming(properties), 'amq.topic');
const headersOf = (properties: Record<string, unknown>) => Object.fromEntries(routed(properties).headers);
const table = (headers: Record<string, unknown>) => headersOf({ headers });

describe('a delivery', () => {
  test('properties become headers, in a fixed order, before the table', () => {
    const message = routed({
      appId: 'a',
      contentType: 'text/plain',
      deliveryMode: 2,
      headers: { colour: 'red' },
      priority: 0,
      replyTo: 'q',
      timestamp: 1700000000,
      userId: 'guest',
    });
    expect([...message.headers]).toEqual([
      ['content-type', 'text/plain'],
      ['priority', '0'],
      ['reply-to', '/reply-queue/q'],
      ['timestamp', '1700000000'],
      ['user-id', 'guest'],
      ['app-id', 'a'],
      ['persistent', 'true'],
      ['colour', 'red'],
    ]);
    expect(message).toMatchObject({ exchange: 'amq.topic', routingKey: 'k', resent: false });
    expect(message.origin).toEqual({ kind: 'topic', key: 'k' });
  });

  test('typed values become readable text', () => {
    const headers = {
      yes: true,
      no: false,
      int: -5,
      double: 1.5,
      long: 9007199254740991,
      nothing: null,
      bytes: Buffer.from([1, 2, 255]),
      time: { '!': 'timestamp', value: 1700000000 },
      never: { '!': 'timestamp', value: 1_000_000_000_000_000_001n },
      large: { '!': 'int64', value: 9_007_199_254_740_993n },
      money: { '!': 'decimal', value: { places: 2, digits: 1999 } },
      cents: { '!': 'decimal', value: { places: 3, digits: 5 } },
      whole: { '!': 'decimal', value: { places: 0, digits: 7 } },
      list: ['a', 1, null, { '!': 'timestamp', value: 0 }, { '!': 'int64', value: -(2n ** 63n) }],
      nested: {
        inner: { flag: true, raw: Buffer.from('x'), ['"']: { '!': 'decimal', value: { places: 1, digits: 5 } } },
      },
      infinite: Infinity,
    };
    expect(table(headers)).toEqual({
      yes: 'true',
      no: 'false',
      int: '-5',
      double: '1.5',
      long: '9007199254740991',
      nothing: '',
      bytes: 'AQL/',
      time: '2023-11-14T22:13:20.000Z',
      never: '1000000000000000001',
      large: '9007199254740993',
      money: '19.99',
      cents: '0.005',
      whole: '7',
      list: '["a",1,null,"1970-01-01T00:00:00.000Z",-9223372036854775808]',
      nested: '{"inner":{"flag":true,"raw":"eA==","\\"":"0.5"}}',
      infinite: 'Infinity',
    });
  });

  test('a header named __proto__ passes through', () => {
    const named = (value: unknown) => Object.fromEntries([['__proto__', value]]) as object;
    const { headers } = routed({ headers: { ...named('x'), table: named(1) } });
    expect([...headers]).toEqual([
      ['__proto__', 'x'],
      ['table', '{"__proto__":1}'],
    ]);
  });

  test('a publisher cannot forge headers of STOMP or of the relay', () => {
    const headers = {
      destination: '/topic/secret',
      'message-id': '1',
      subscription: 'sub-0',
      ack: '1',
      redelivered: 'true',
      'content-length': '9999',
      receipt: 'r',
      transaction: 't',
      'relay-id': 'z',
      'relay-position': 'p',
      '': 'empty',
      kept: 'yes',
    };
    expect(table(headers)).toEqual({ kept: 'yes' });
  });

  test('a property takes precedence over a table entry of the same name', () => {
    expect(headersOf({ contentType: 'text/plain', headers: { 'content-type': 'forged' } })).toEqual({
      'content-type': 'text/plain',
    });
  });

  test.each([
    ['true', true],
    [true, true],
    ['no', false],
  ])('relay-resent:%p means %p', (value, resent) => {
    expect(routed({ headers: { 'relay-resent': value } }).resent).toBe(resent);
  });

  test('a delivery that may have come before counts as sent again, whatever its header', () => {
    const again = (headers: object) => toRoutedMessage(incoming({ headers }), 'amq.topic', true).resent;
    expect([again({}), again({ 'relay-resent': 'no' })]).toEqual([true, true]);
  });

  test('a message without headers has none', () => {
    expect(routed({}).headers.size).toBe(0);
  });

  test.each<[string, Record<string, unknown>, string | undefined]>([
    ['a relay names it', { 'relay-id': 'z', 'relay-session': 's', session: 'of the sender' }, 's'],
    ['a relay names none', { 'relay-id': 'z', session: 'of the sender' }, undefined],
    ['a back end names it', { session: 's' }, 's'],
    ['a back end names none', {}, undefined],
    ['it is not a text', { session: 5 }, '5'],
  ])('the target session, if %s', (_, headers, toSession) => {
    expect(routed({ headers }).toSession).toBe(toSession);
  });
});

describe('CC', () => {
  test('contains further keys of the message', () => {
    expect(copyKeys(incoming({ headers: { CC: ['a', 'b', 5] } }))).toEqual(['a', 'b']);
  });
  test.each([[{}], [{ headers: {} }], [{ headers: { CC: 'a' } }]])('may be missing: %p', (properties) => {
    expect(copyKeys(incoming(properties))).toBeUndefined();
  });
});
