import { describe, expect, test } from '@jest/globals';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { HeaderError } from '../../../../server/src/destinations/header-values.js';
import {
  hasQueueHeaders,
  parseQueueOptions,
  needsDedicatedQueue,
} from '../../../../server/src/destinations/queue-options.js';

const headers = (values: Record<string, string>): Map<string, string> => new Map(Object.entries(values));
const parse = (values: Record<string, string>) => parseQueueOptions(headers(values), 'subscribe');

describe('parseQueueOptions', () => {
  test('is empty without headers for a queue', () => {
    expect(parse({ destination: '/queue/q', id: '1', ack: 'client' })).toEqual({ arguments: {}, consumer: {} });
  });

  test('reads the switches, the name and the prefetch count', () => {
    expect(
      parse({
        durable: 'true',
        'auto-delete': 'False',
        exclusive: 'True',
        'x-queue-name': 'q',
        'prefetch-count': ' 10',
      }),
    ).toEqual({
      durable: true,
      autoDelete: false,
      exclusive: true,
      queueName: 'q',
      prefetch: 10,
      arguments: {},
      consumer: {},
    });
  });

  test('persistent means durable on SUBSCRIBE; on SEND it concerns the message', () => {
    expect(parse({ persistent: 'true' }).durable).toBe(true);
    expect(parse({ persistent: 'true', durable: 'false' }).durable).toBe(false);
    expect(parseQueueOptions(headers({ persistent: 'false' }), 'send').durable).toBeUndefined();
    expect(hasQueueHeaders(headers({ persistent: 'true' }), 'send')).toBe(false);
    expect(hasQueueHeaders(headers({ persistent: 'true' }), 'subscribe')).toBe(true);
  });

  test.each<[string, string, number | string | boolean]>([
    ['x-message-ttl', '0', 0],
    ['x-message-ttl', '4294967295', 4294967295],
    ['x-expires', '1', 1],
    ['x-max-length', ' 7 ', 7],
    ['x-max-length-bytes', '1048576', 1048576],
    ['x-max-priority', '255', 255],
    ['x-delivery-limit', '3', 3],
    ['x-single-active-consumer', 'true', true],
    ['x-overflow', 'reject-publish', 'reject-publish'],
    ['x-queue-type', 'quorum', 'quorum'],
    ['x-queue-mode', 'lazy', 'lazy'],
    ['x-queue-leader-locator', 'balanced', 'balanced'],
    ['x-dead-letter-exchange', 'dlx', 'dlx'],
    ['x-dead-letter-exchange', '', ''],
    ['x-dead-letter-routing-key', 'some.key', 'some.key'],
    ['x-dead-letter-strategy', 'at-least-once', 'at-least-once'],
    ['x-max-age', '7D', '7D'],
    ['x-stream-max-segment-size-bytes', '1000000', 1000000],
  ])('%s:%s', (name, text, value) => {
    expect(parse({ [name]: text }).arguments).toEqual({ [name]: value });
    expect(hasQueueHeaders(headers({ [name]: text }), 'send')).toBe(true);
  });

  test.each([
    ['first', 'first'],
    ['last', 'last'],
    ['next', 'next'],
    ['offset=42', 42],
    ['timestamp=1700000000', { timestamp: 1700000000 }],
  ])('x-stream-offset:%s', (text, streamOffset) => {
    expect(parse({ 'x-stream-offset': text }).consumer).toEqual({ streamOffset });
  });

  test('reads the priority of a consumer', () => {
    expect(parse({ 'x-priority': '-5' }).consumer).toEqual({ priority: -5 });
  });

  test.each([
    ['durable', 'yes', /true or false/],
    ['auto-delete', '1', /true or false/],
    ['exclusive', '', /true or false/],
    ['x-single-active-consumer', 'TRUE', /true or false/],
    ['prefetch-count', '-1', /from 0 to 65535/],
    ['prefetch-count', '65536', /from 0 to 65535/],
    ['prefetch-count', '1.5', /whole number/],
    ['x-message-ttl', 'soon', /whole number from 0 to 4294967295/],
    ['x-message-ttl', '4294967296', /from 0 to 4294967295/],
    ['x-message-ttl', '', /whole number/],
    ['x-expires', '0', /from 1 to/],
    ['x-max-priority', '256', /from 0 to 255/],
    ['x-stream-max-segment-size-bytes', '999999', /from 1000000 to/],
    ['x-max-length', '9'.repeat(20), /whole number/],
    ['x-overflow', 'explode', /one of drop-head, reject-publish/],
    ['x-queue-type', 'mirrored', /one of classic, quorum, stream/],
    ['x-queue-name', '', /a name/],
    ['x-queue-name', 'stomp-relay.durable', /does not begin with "stomp-relay\."/],
    ['x-queue-name', 'amq.rabbitmq.reply-to.g1h2.x', /does not begin with.*"amq\.rabbitmq\."/],
    ['x-queue-name', 'q'.repeat(256), /at most 255 bytes/],
    ['x-dead-letter-exchange', 'stomp-relay.user', /does not begin with "stomp-relay\."/],
    ['x-dead-letter-exchange', 'amq.rabbitmq.trace', /does not begin with.*"amq\.rabbitmq\."/],
    ['x-dead-letter-routing-key', 'amq.rabbitmq.reply-to.g1h2.x', /does not begin with "amq\.rabbitmq\."/],
    ['x-dead-letter-routing-key', 'stomp-relay.history.prices', /does not begin with.*"stomp-relay\.history\."/],
    ['x-dead-letter-routing-key', 'k'.repeat(256), /at most 255 bytes/],
    ['x-max-age', '7', /such as 7D/],
    ['x-priority', 'high', /whole number/],
    ['x-stream-offset', '42', /offset=NUMBER/],
    ['x-stream-offset', 'offset=-1', /offset=NUMBER/],
  ])('%s:%s is refused', (name, value, allowed) => {
    expect(() => parse({ [name]: value })).toThrow(HeaderError);
    expect(() => parse({ [name]: value })).toThrow(`The header ${name}:${value.slice(0, 60)} is not valid`);
    expect(() => parse({ [name]: value })).toThrow(allowed);
  });
});

describe('needsDedicatedQueue', () => {
  const needs = (text: string, ack: string, values: Record<string, string> = {}): boolean =>
    needsDedicatedQueue(parseDestination(text, 'subscribe'), ack, headers(values));

  test('is true for queues', () => {
    expect(needs('/queue/q', 'auto')).toBe(true);
    expect(needs('/amq/queue/q', 'auto')).toBe(true);
  });

  test.each(['/topic/t', '/exchange/E/k', '/user/queue/x'])(
    'is true for %s with acks or headers for a queue',
    (text) => {
      expect(needs(text, 'auto')).toBe(false);
      expect(needs(text, 'client')).toBe(true);
      expect(needs(text, 'client-individual')).toBe(true);
      expect(needs(text, 'auto', { durable: 'true' })).toBe(true);
      expect(needs(text, 'auto', { persistent: 'true' })).toBe(true);
      expect(needs(text, 'auto', { 'x-queue-name': 'q' })).toBe(true);
      expect(needs(text, 'auto', { 'x-max-length': '5' })).toBe(true);
      // These headers make no difference for a private queue, so they need none.
      expect(needs(text, 'auto', { durable: 'false', 'auto-delete': 'true', 'prefetch-count': '5' })).toBe(false);
    },
  );

  test('refuses malformed headers, also for shared subscriptions', () => {
    expect(() => needs('/topic/t', 'auto', { durable: 'perhaps' })).toThrow(HeaderError);
  });
});
