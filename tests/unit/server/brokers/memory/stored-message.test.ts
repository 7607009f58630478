import { describe, expect, test } from '@jest/globals';
import { toDeadLetter, toRoutedMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
import { messageOf } from '../../../../../server/src/contract/broker-desk.js';

describe('toRoutedMessage', () => {
  test('shares the headers if none has to change', () => {
    const message = messageOf('x', { 'reply-to': '/queue/a', persistent: 'true', priority: '4', other: 'True' });
    const routed = toRoutedMessage(message, 'e', 'k', 'amq.topic');
    expect(routed.headers).toBe(message.headers);
    expect(routed).toMatchObject({ exchange: 'e', routingKey: 'k', resent: false });
  });

  test('does not change the message of the publisher', () => {
    const message = messageOf('x', { a: '1', 'reply-to': 'q', persistent: 'False', priority: '04', timestamp: '010' });
    const { headers } = toRoutedMessage(message, 'e', 'k', 'amq.topic');
    expect([...headers]).toEqual([
      ['a', '1'],
      ['reply-to', '/reply-queue/q'],
      ['priority', '4'],
      ['timestamp', '10'],
    ]);
    expect(message.headers.get('reply-to')).toBe('q');
  });
});

test('toDeadLetter records the first death only', () => {
  const message = toRoutedMessage(messageOf('x', { expiration: '5' }), 'e', 'k', 'amq.topic');
  const stored = { message } as StoredMessage;
  const first = toDeadLetter(stored, { queue: 'q', reason: 'expired' }, 'dlx', undefined);
  expect(first).toMatchObject({ exchange: 'dlx', routingKey: 'k' });
  const second = toDeadLetter({ ...stored, message: first }, { queue: 'r', reason: 'rejected' }, '', 'other');
  expect(second).toMatchObject({ exchange: '', routingKey: 'other' });
  expect(Object.fromEntries(second.headers)).toEqual({
    'x-first-death-reason': 'expired',
    'x-first-death-queue': 'q',
    'x-first-death-exchange': 'e',
  });
});
