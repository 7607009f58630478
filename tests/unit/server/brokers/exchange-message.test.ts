import { expect, test } from '@jest/globals';
import { ExchangeMessage } from '../../../../server/src/brokers/exchange-message.js';
import { messageOf } from '../../../../server/src/contract/broker-desk.js';

test.each([
  ['news', 'a.b', { kind: 'topic', key: 'a.b' }],
  ['news', '', { kind: 'exchange', exchange: 'news', key: '' }],
  ['amq.topic', 'a.b', { kind: 'exchange', exchange: 'amq.topic', key: 'a.b' }],
  ['', 'jobs', { kind: 'queue', queue: 'jobs' }],
])('a message to the exchange "%s" with the key "%s" has the origin %j', (exchange, key, origin) => {
  expect(new ExchangeMessage(messageOf('x'), exchange, key, 'news').origin).toEqual(origin);
});

test('a forwarded message keeps its body, its target session and its resent mark', () => {
  const message = new ExchangeMessage({ ...messageOf('x'), toSession: 's' }, 'news', 'a', 'news', true);
  const forwarded = message.forwarded(new Map([['why', 'expired']]), '', 'dead');
  expect(forwarded).toMatchObject({
    body: message.body,
    toSession: 's',
    resent: true,
    exchange: '',
    routingKey: 'dead',
  });
  expect(forwarded.origin).toEqual({ kind: 'queue', queue: 'dead' });
  expect([...forwarded.headers]).toEqual([['why', 'expired']]);
});
