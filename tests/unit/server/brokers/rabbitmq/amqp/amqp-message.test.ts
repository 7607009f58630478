import { describe, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import {
  checkBindingSize,
  checkHeaderSize,
  copyKeys,
  toPublishOptions as toPublishOptionsWith,
  toRoutedMessage,
} from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-message.js';
import { HeaderTables } from '../../../../../../server/src/brokers/rabbitmq/amqp/header-tables.js';

const FRAME_MAX = 131_072;

const toPublishOptions = (message: Parameters<typeof toPublishOptionsWith>[0], id: string, resent: boolean) =>
  toPublishOptionsWith(message, id, resent, new HeaderTables());

function outgoing(headers: Record<string, string> | [string, string][]) {
  return { headers: new Map(Array.isArray(headers) ? headers : Object.entries(headers)), body: Buffer.from('x') };
}

function incoming(properties: Record<string, unknown>, fields: Record<string, unknown> = {}): ConsumeMessage {
  const where = {
    exchange: 'amq.topic',
    routingKey: 'k',
    deliveryTag: 1,
    redelivered: false,
    consumerTag: 'c',
    ...fields,
  };
  return { content: Buffer.from('x'), fields: where, properties } as unknown as ConsumeMessage;
}

const shown = (properties: Record<string, unknown>) =>
  Object.fromEntries(toRoutedMessage(incoming(properties)).headers);
const table = (headers: Record<string, unknown>) => shown({ headers });

describe('going in', () => {
  test('headers with a meaning in AMQP become properties, the others the table', () => {
    const headers = {
      'content-type': 'text/plain',
      'content-encoding': 'gzip',
      persistent: 'true',
      priority: '9',
      'correlation-id': 'c',
      'reply-to': 'r',
      expiration: '10',
      'amqp-message-id': 'm',
      timestamp: '1700000000',
      type: 't',
      'app-id': 'a',
      colour: 'red',
    };
    expect(toPublishOptions(outgoing(headers), 'z', false)).toEqual({
      contentType: 'text/plain',
      contentEncoding: 'gzip',
      deliveryMode: 2,
      priority: 9,
      correlationId: 'c',
      replyTo: 'r',
      expiration: '10',
      messageId: 'm',
      timestamp: 1700000000,
      type: 't',
      appId: 'a',
      headers: { colour: 'red', 'relay-id': 'z' },
    });
  });

  test('a second sending says so', () => {
    expect(toPublishOptions(outgoing({}), 'z', true).headers).toEqual({ 'relay-id': 'z', 'relay-resent': 'true' });
  });

  test.each(['false', 'False'])('persistent:%s is the default', (persistent) => {
    expect(toPublishOptions(outgoing({ persistent }), 'z', false).deliveryMode).toBeUndefined();
  });

  test('no name means anything to JavaScript', () => {
    const options = toPublishOptions(
      outgoing([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]),
      'z',
      false,
    );
    expect(Object.entries(options.headers as object)).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['relay-id', 'z'],
    ]);
  });
});

describe('coming out', () => {
  test('properties become headers, in a fixed order, before the table', () => {
    const message = toRoutedMessage(
      incoming({
        appId: 'a',
        contentType: 'text/plain',
        deliveryMode: 2,
        headers: { colour: 'red' },
        priority: 0,
        replyTo: 'q',
        timestamp: 1700000000,
        userId: 'guest',
      }),
    );
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
  });

  test('typed values are readable text', () => {
    const headers = {
      yes: true,
      no: false,
      int: -5,
      double: 1.5,
      long: 9007199254740991,
      nothing: null,
      bytes: Buffer.from([1, 2, 255]),
      time: { '!': 'timestamp', value: 1700000000 },
      never: { '!': 'timestamp', value: 1e18 },
      money: { '!': 'decimal', value: { places: 2, digits: 1999 } },
      cents: { '!': 'decimal', value: { places: 3, digits: 5 } },
      whole: { '!': 'decimal', value: { places: 0, digits: 7 } },
      list: ['a', 1, { '!': 'timestamp', value: 0 }],
      nested: { inner: { flag: true, raw: Buffer.from('x') } },
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
      never: '1000000000000000000',
      money: '19.99',
      cents: '0.005',
      whole: '7',
      list: '["a",1,"1970-01-01T00:00:00.000Z"]',
      nested: '{"inner":{"flag":true,"raw":"eA=="}}',
      infinite: 'Infinity',
    });
  });

  test('what the wire makes for itself, and all of the relay, cannot be forged by a publisher', () => {
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

  test('a property goes before a table entry of the same name', () => {
    expect(shown({ contentType: 'text/plain', headers: { 'content-type': 'forged' } })).toEqual({
      'content-type': 'text/plain',
    });
  });

  test.each([
    ['true', true],
    [true, true],
    ['no', false],
  ])('relay-resent:%p says %p', (value, resent) => {
    expect(toRoutedMessage(incoming({ headers: { 'relay-resent': value } })).resent).toBe(resent);
  });

  test('what has no headers at all has none', () => {
    expect(toRoutedMessage(incoming({})).headers.size).toBe(0);
  });

  test.each<[string, Record<string, unknown>, string | undefined]>([
    ['a relay says so', { 'relay-id': 'z', 'relay-session': 's', session: 'of the sender' }, 's'],
    ['a relay means all', { 'relay-id': 'z', session: 'of the sender' }, undefined],
    ['a back end says so', { session: 's' }, 's'],
    ['a back end means all', {}, undefined],
    ['it is no text', { session: 5 }, '5'],
  ])('one session is meant where %s', (_, headers, toSession) => {
    expect(toRoutedMessage(incoming({ headers })).toSession).toBe(toSession);
  });

  test('which session is meant goes along, and is not shown', () => {
    const options = toPublishOptions({ ...outgoing({ session: 'mine' }), toSession: 's' }, 'z', false);
    expect(options.headers).toEqual({ session: 'mine', 'relay-session': 's', 'relay-id': 'z' });
    const back = toRoutedMessage(incoming(options as Record<string, unknown>));
    expect(Object.fromEntries(back.headers)).toEqual({ session: 'mine' });
    expect(back.toSession).toBe('s');
  });

  test('what went in comes out', () => {
    const message = outgoing({ 'content-type': 'a/b', persistent: 'true', priority: '3', x: 'é\nü', timestamp: '5' });
    const back = toRoutedMessage(incoming(toPublishOptions(message, 'z', false) as Record<string, unknown>));
    expect(Object.fromEntries(back.headers)).toEqual(Object.fromEntries(message.headers));
  });
});

describe('CC', () => {
  test('gives the keys that the message also came for', () => {
    expect(copyKeys(incoming({ headers: { CC: ['a', 'b', 5] } }))).toEqual(['a', 'b']);
  });
  test.each([[{}], [{ headers: {} }], [{ headers: { CC: 'a' } }]])(
    'is nothing where there is none: %p',
    (properties) => {
      expect(copyKeys(incoming(properties))).toBeUndefined();
    },
  );
});

describe('the size of a binding', () => {
  const binding = (bytes: number) => ({
    exchange: 'e',
    key: 'k',
    arguments: { 'x-match': 'all', a: 'x'.repeat(bytes) },
  });

  test('fits into a frame, or is refused', () => {
    expect(() => checkBindingSize(binding(60_000), FRAME_MAX)).not.toThrow();
    expect(() => checkBindingSize(binding(65_000), FRAME_MAX)).toThrow(/arg-NAME.*fit into a frame/);
    expect(() => checkBindingSize(binding(8_000), 8_192)).toThrow(expect.objectContaining({ code: 'invalid-header' }));
  });
});

describe('the size of headers', () => {
  const named = (count: number, bytes: number) =>
    outgoing(Array.from({ length: count }, (_, i): [string, string] => [`h${i}`, 'x'.repeat(bytes)]));

  test('fits as long as amqplib can encode it', () => {
    expect(() => checkHeaderSize(named(1, 65_000), FRAME_MAX)).not.toThrow();
  });

  test.each([
    ['one long value', named(1, 65_500), FRAME_MAX],
    ['many short ones, whose encoding adds up', named(6_200, 0), FRAME_MAX],
    ['a small frame_max', named(1, 8_100), 8_192],
    ['a session that is meant', { ...outgoing({}), toSession: 'x'.repeat(65_500) }, FRAME_MAX],
    ['properties, which count too', outgoing({ 'content-type': 'x'.repeat(4_000), y: 'x'.repeat(4_100) }), 8_192],
  ])('is refused beyond it: %s', (_, message, frameMax) => {
    expect(() => checkHeaderSize(message, frameMax)).toThrow(expect.objectContaining({ code: 'invalid-header' }));
  });
});
