import { describe, expect, test } from '@jest/globals';
import type { ConsumeMessage, Options } from 'amqplib';
import type { Message } from '../../../../../../server/src/brokers/broker.js';
import { messageBytes } from '../../../../../../server/src/brokers/message-checks.js';
import { toRoutedMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-message.js';
import { HeaderTables } from '../../../../../../server/src/brokers/rabbitmq/amqp/header-tables.js';
import { OutgoingMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';

const FRAME_MAX = 131_072;
const LIMITS = { keyWordsMax: 32, patternHashesMax: 1 };

const optionsOf = (message: Message, id: string, resent: boolean): Options.Publish =>
  new OutgoingMessage(message, LIMITS, FRAME_MAX).optionsFor(id, resent, false, new HeaderTables());

function outgoing(headers: Record<string, string> | [string, string][]): Message {
  return { headers: new Map(Array.isArray(headers) ? headers : Object.entries(headers)), body: Buffer.from('x') };
}

function delivered(properties: Options.Publish): ConsumeMessage {
  const fields = { exchange: 'amq.topic', routingKey: 'k', deliveryTag: 1, redelivered: false, consumerTag: 'c' };
  return { content: Buffer.from('x'), fields, properties } as unknown as ConsumeMessage;
}

describe('the options for amqplib', () => {
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
    expect(optionsOf(outgoing(headers), 'z', false)).toEqual({
      mandatory: false,
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

  test('a second sending is marked', () => {
    expect(optionsOf(outgoing({}), 'z', true).headers).toEqual({ 'relay-id': 'z', 'relay-resent': 'true' });
  });

  test.each(['false', 'False'])('persistent:%s is the default', (persistent) => {
    expect(optionsOf(outgoing({ persistent }), 'z', false).deliveryMode).toBeUndefined();
  });

  test('no header name has a meaning in JavaScript', () => {
    const options = optionsOf(
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

  test('the same message can be sent again, marked, with another id', () => {
    const message = new OutgoingMessage(outgoing({ colour: 'red' }), LIMITS, FRAME_MAX);
    const tables = new HeaderTables();
    const sent = (id: string, resent: boolean): object => ({
      ...(message.optionsFor(id, resent, true, tables).headers as object),
    });
    expect(sent('a', false)).toEqual({ colour: 'red', 'relay-id': 'a' });
    expect(sent('b', true)).toEqual({ colour: 'red', 'relay-id': 'b', 'relay-resent': 'true' });
    expect(sent('c', true)).toEqual({ colour: 'red', 'relay-id': 'c', 'relay-resent': 'true' });
  });

  test('the target session travels with the message and is not visible', () => {
    const options = optionsOf({ ...outgoing({ session: 'mine' }), toSession: 's' }, 'z', false);
    expect(options.headers).toEqual({ session: 'mine', 'relay-session': 's', 'relay-id': 'z' });
    const back = toRoutedMessage(delivered(options), 'amq.topic');
    expect(Object.fromEntries(back.headers)).toEqual({ session: 'mine' });
    expect(back.toSession).toBe('s');
  });

  test('a round trip keeps the headers', () => {
    const message = outgoing({ 'content-type': 'a/b', persistent: 'true', priority: '3', x: 'é\nü', timestamp: '5' });
    const back = toRoutedMessage(delivered(optionsOf(message, 'z', false)), 'amq.topic');
    expect(Object.fromEntries(back.headers)).toEqual(Object.fromEntries(message.headers));
  });
});

test('the size of a message equals `messageBytes`', () => {
  const message = outgoing({ 'content-type': 'text/plain', colour: 'red' });
  expect(new OutgoingMessage(message, LIMITS, FRAME_MAX).bytes).toBe(messageBytes(message));
});

test('a header that breaks a rule is refused', () => {
  const broken = () => new OutgoingMessage(outgoing({ priority: 'high' }), LIMITS, FRAME_MAX);
  expect(broken).toThrow(expect.objectContaining({ code: 'invalid-header' }));
});

const FOUR_PROPERTIES = {
  type: 'x'.repeat(250),
  'app-id': 'x'.repeat(250),
  'correlation-id': 'x'.repeat(250),
  'amqp-message-id': 'x'.repeat(250),
};

describe('the size of headers', () => {
  const named = (count: number, bytes: number) =>
    outgoing(Array.from({ length: count }, (_, i): [string, string] => [`h${i}`, 'x'.repeat(bytes)]));

  test('is accepted if amqplib can encode them', () => {
    expect(() => new OutgoingMessage(named(1, 65_000), LIMITS, FRAME_MAX)).not.toThrow();
  });

  test.each([
    ['one long value', named(1, 65_500), FRAME_MAX],
    ['many short values', named(6_200, 0), FRAME_MAX],
    ['a small frame_max', named(1, 8_100), 8_192],
    ['a target session', { ...outgoing({}), toSession: 'x'.repeat(65_500) }, FRAME_MAX],
    ['properties', outgoing({ ...FOUR_PROPERTIES, y: 'x'.repeat(7_100) }), 8_192],
  ])('is refused beyond that: %s', (_, message, frameMax) => {
    expect(() => new OutgoingMessage(message, LIMITS, frameMax)).toThrow(
      expect.objectContaining({ code: 'invalid-header' }),
    );
  });
});
