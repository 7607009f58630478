import { describe, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { entryOf, isSameEntry, offsetOf } from '../../../../../../server/src/brokers/rabbitmq/history/stream-entry.js';

interface Given {
  readonly exchange?: string;
  readonly key?: string;
  readonly headers?: object;
  readonly body?: string;
  readonly messageId?: string;
}

function delivery({ exchange = 'amq.topic', key = 'k', headers = {}, body = 'b', messageId }: Given = {}) {
  const fields = { exchange, routingKey: key };
  const properties = { headers: { 'x-stream-offset': 7, ...headers }, messageId };
  return { fields, properties, content: Buffer.from(body) } as unknown as ConsumeMessage;
}

test('a message of an exchange is an entry with its key, without the header of the stream', () => {
  const entry = entryOf(7, delivery({ key: 'a.b', headers: { x: '1' }, body: 'hello' }), 'amq.topic');
  expect(entry).toMatchObject({ offset: 7, key: 'a.b' });
  expect([...entry.message!.headers]).toEqual([['x', '1']]);
  expect(entry.message!.body.toString()).toBe('hello');
  expect(entry.marker).toBeUndefined();
});

describe('records of relays', () => {
  const marked = { headers: { 'relay-history-marker': 'm1' }, body: '' };

  test('a marker counts without an exchange only: an AMQP publisher cannot forge one through an exchange', () => {
    expect(entryOf(7, delivery({ ...marked, exchange: '' }), 'amq.topic')).toEqual({
      offset: 7,
      key: 'k',
      message: undefined,
      marker: 'm1',
    });
    const forged = entryOf(7, delivery(marked), 'amq.topic');
    expect(forged.marker).toBeUndefined();
    expect(forged.message!.headers.size).toBe(0);
  });

  test.each(['', 'two words', 'm1\nrelay-gap:true', 'M1', 7, undefined])(
    'a back end writes a record with the id %j: it is no marker, so it gets into no position',
    (id) => {
      const entry = entryOf(7, delivery({ exchange: '', headers: { 'relay-history-marker': id } }), 'amq.topic');
      expect(entry).toEqual({ offset: 7, key: 'k', message: undefined, marker: undefined });
    },
  );

  test('everything else without an exchange, and canaries, are no messages', () => {
    const { message, marker } = entryOf(7, delivery({ exchange: '' }), 'amq.topic');
    expect([message, marker]).toEqual([undefined, undefined]);
    expect(entryOf(7, delivery({ headers: { 'relay-canary': 't' }, body: '' }), 'amq.topic').message).toBeUndefined();
  });
});

test('the offset; undefined where the headers cannot be read', () => {
  expect(offsetOf(delivery())).toBe(7);
  expect(offsetOf({ properties: {} } as ConsumeMessage)).toBeUndefined();
});

test.each<[string, Given]>([
  ['exchange', { exchange: 'other' }],
  ['key', { key: 'other' }],
  ['body', { body: 'other' }],
  ['relay-id', { headers: { 'relay-id': '2' } }],
  ['message id', { messageId: '2' }],
  ['marker', { headers: { 'relay-history-marker': '2' } }],
])('another %s is another entry', (_, other) => {
  expect(isSameEntry(delivery(), delivery())).toBe(true);
  expect(isSameEntry(delivery(), delivery(other))).toBe(false);
});
