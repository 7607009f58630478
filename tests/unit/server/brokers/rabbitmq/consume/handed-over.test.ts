import { beforeEach, describe, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { HandedOver } from '../../../../../../server/src/brokers/rabbitmq/consume/handed-over.js';

let missing: number;
let handedOver: HandedOver;
beforeEach(() => {
  missing = 0;
  handedOver = new HandedOver(() => missing++);
});

interface Details {
  readonly tag?: number;
  readonly redelivered?: boolean;
  readonly properties?: object;
  readonly key?: string;
}

function delivery(body: string, { tag = 1, redelivered = false, properties = {}, key = 'k' }: Details = {}) {
  const fields = { deliveryTag: tag, redelivered, exchange: 'amq.topic', routingKey: key, consumerTag: 'c' };
  return { fields, properties, content: Buffer.from(body) } as ConsumeMessage;
}

/** Hands over the bodies, with tags from 1 on, and loses the channel. */
function lose(...deliveries: string[]): void {
  deliveries.forEach((body, i) => {
    handedOver.judge(delivery(body, { tag: i + 1 }));
    handedOver.add(delivery(body, { tag: i + 1 }), 100);
  });
  handedOver.returned();
}

/** Deliveries on the next channel. */
function again(...deliveries: string[]): string[] {
  return deliveries.map((body, i) => {
    const message = delivery(body, { tag: i + 1, redelivered: true });
    const judgement = handedOver.judge(message);
    handedOver.add(message, 100);
    return `${body} ${judgement}`;
  });
}

describe('after a loss', () => {
  test('the deliveries that come again are those from some place on; the later ones are new', () => {
    lose('a', 'b', 'c', 'd');
    expect(again('c', 'd', 'e', 'f')).toEqual(['c again', 'd again', 'e first', 'f first']);
    expect(handedOver.judge(delivery('a'))).toBe('first');
    expect(missing).toBe(0);
  });

  test('a new delivery ends the comparison', () => {
    lose('a', 'b');
    expect(again('b')).toEqual(['b again']);
    expect(handedOver.judge(delivery('c'))).toBe('first');
    expect(handedOver.judge(delivery('b'))).toBe('first');
  });

  test('after a crash RabbitMQ does not mark them: they are unsure', () => {
    lose('a', 'b');
    const unmarked = ['a', 'b', 'c', 'a'].map((body) => handedOver.judge(delivery(body)));
    expect(unmarked).toEqual(['unsure', 'unsure', 'first', 'first']);
    expect(missing).toBe(0);
  });

  test('equal messages that follow each other are unsure, as far as they can be meant', () => {
    lose('x', 'x', 'x');
    expect(again('x', 'x', 'x', 'x')).toEqual(['x again', 'x unsure', 'x unsure', 'x first']);
  });

  test('a repeated sequence is recognized as soon as it differs', () => {
    lose('a', 'b', 'c', 'a', 'b');
    expect(again('a', 'b', 'c', 'a', 'b', 'd')).toEqual([
      'a again',
      'b again',
      'c unsure',
      'a unsure',
      'b unsure',
      'd first',
    ]);
    handedOver.forget();
    lose('a', 'b', 'c', 'a', 'b');
    expect(again('a', 'b', 'd')).toEqual(['a again', 'b again', 'd first']);
  });

  test('messages in the middle may have expired', () => {
    lose('a', 'b', 'c', 'd');
    expect(again('b', 'd', 'e')).toEqual(['b again', 'd again', 'e first']);
    expect(missing).toBe(0);
  });

  test.each<[string, Details]>([
    ['key', { key: 'other' }],
    ['property', { properties: { messageId: '2' } }],
    ['header', { properties: { headers: { n: 2n } } }],
  ])('a message with another %s is another message', (_, details) => {
    lose('a');
    expect(handedOver.judge(delivery('a', { redelivered: true, ...details }))).toBe('first');
  });

  test('a second loss counts what came again, and what has not', () => {
    lose('a', 'b', 'c', 'd');
    expect(again('b', 'c')).toEqual(['b again', 'c again']);
    handedOver.returned();
    expect(again('c', 'd', 'e')).toEqual(['c again', 'd again', 'e first']);
    handedOver.returned();
    handedOver.returned();
    expect(again('e', 'f')).toEqual(['e again', 'f first']);
  });

  test('a new queue returns nothing', () => {
    lose('a');
    handedOver.forget();
    expect(again('a')).toEqual(['a first']);
    expect(missing).toBe(0);
  });
});

describe('messages are missing', () => {
  test('if the latest delivery does not come again', () => {
    lose('a', 'b');
    expect(again('c', 'd')).toEqual(['c first', 'd first']);
    expect(missing).toBe(1);
  });

  test('if nothing comes again', () => {
    lose('a', 'b');
    expect(handedOver.judge(delivery('c'))).toBe('first');
    expect(handedOver.judge(delivery('d'))).toBe('first');
    expect(missing).toBe(1);
  });

  test('not if the latest delivery may have expired', () => {
    handedOver.add(delivery('a', { properties: { expiration: '10' } }), 100);
    handedOver.returned();
    handedOver.returned();
    expect(handedOver.judge(delivery('c'))).toBe('first');
    expect(missing).toBe(0);
  });

  test('not before the first delivery', () => {
    handedOver.returned();
    expect(again('a')).toEqual(['a first']);
    expect(missing).toBe(0);
  });
});

describe('deliveries are forgotten', () => {
  test('when RabbitMQ has settled them', () => {
    for (let tag = 1; tag <= 5; tag++) handedOver.add(delivery(String(tag), { tag }), 100);
    handedOver.settled(3);
    expect(handedOver.size).toBe(2);
    handedOver.settled(2);
    expect(handedOver.size).toBe(2);
    handedOver.settled(9);
    expect(handedOver.size).toBe(0);
  });

  test('beyond the prefetch count', () => {
    for (let tag = 1; tag <= 5_000; tag++) handedOver.add(delivery(String(tag), { tag }), 10);
    expect(handedOver.size).toBe(10);
    handedOver.returned();
    expect(again('4991', '4992')).toEqual(['4991 again', '4992 again']);
    expect(missing).toBe(0);
  });
});
