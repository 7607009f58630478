import { describe, expect, test } from '@jest/globals';
import { DeathHistory } from '../../../../../server/src/brokers/memory/death-history.js';
import type { Death } from '../../../../../server/src/brokers/memory/death-history.js';
import { toDeadLetter, toRoutedMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
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

test('toDeadLetter records the first death and all deaths, and removes the expiration', () => {
  const message = toRoutedMessage(messageOf('x', { expiration: '5' }), 'e', 'k', 'amq.topic');
  const [expired, rejected]: Death[] = [
    { queue: 'q', reason: 'expired' },
    { queue: 'r', reason: 'rejected' },
  ];
  const once = DeathHistory.empty.after(expired!, message)!;
  const first = toDeadLetter(message, expired!, once, 'dlx');
  expect(first).toMatchObject({ exchange: 'dlx', routingKey: 'k' });
  const twice = once.after(rejected!, first)!;
  const second = toDeadLetter(first, rejected!, twice, '', 'other');
  expect(second).toMatchObject({ exchange: '', routingKey: 'other' });
  expect(Object.fromEntries(second.headers)).toEqual({
    'x-first-death-reason': 'expired',
    'x-first-death-queue': 'q',
    'x-first-death-exchange': 'e',
    'x-death': twice.text,
  });
});
