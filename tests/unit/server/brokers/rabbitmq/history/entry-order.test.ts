import { beforeEach, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { EntryOrder } from '../../../../../../server/src/brokers/rabbitmq/history/entry-order.js';

let events: string[];
let asked: number;
/** Answers the question for the first offset. */
let answer: (first: number | undefined | Error) => Promise<void>;

beforeEach(() => {
  events = [];
  asked = 0;
});

function orderFrom(last: number | undefined, heldMaxBytes = 100): EntryOrder {
  return new EntryOrder(last, heldMaxBytes, {
    pass: (offset) => void events.push(String(offset)),
    missing: (first) => void events.push(`missing before ${first}`),
    failed: (reason) => void events.push(`failed: ${reason}`),
    firstOffset: () => {
      asked++;
      return new Promise((resolve, reject) => {
        answer = async (first) => {
          if (first instanceof Error) reject(first);
          else resolve(first);
          await new Promise(setImmediate);
        };
      });
    },
  });
}

const message = (bytes = 1): ConsumeMessage => ({ content: Buffer.alloc(bytes) }) as ConsumeMessage;

function take(order: EntryOrder, ...offsets: number[]): void {
  for (const offset of offsets) order.take(offset, message());
}

test('passes successive entries on at once, and asks nothing', () => {
  const order = orderFrom(4);
  take(order, 5, 6, 7);
  expect(events).toEqual(['5', '6', '7']);
  expect(asked).toBe(0);
});

test('begins anywhere without a last entry', () => {
  take(orderFrom(undefined), 17, 18);
  expect(events).toEqual(['17', '18']);
});

test('leaves out entries that come again', () => {
  take(orderFrom(4), 3, 4, 5, 5, 6);
  expect(events).toEqual(['5', '6']);
});

test('at a jump holds what comes, and passes it on if the expected offset is still there', async () => {
  const order = orderFrom(4);
  take(order, 5, 7, 8, 10);
  expect(events).toEqual(['5']);
  await answer(6);
  expect(events).toEqual(['5', '7', '8', '10']);
  take(order, 11);
  expect(events.at(-1)).toBe('11');
  expect(asked).toBe(1);
});

test('a jump over what retention has removed is reported before what follows', async () => {
  const order = orderFrom(4);
  take(order, 90, 91);
  await answer(90);
  expect(events).toEqual(['missing before 90', '90', '91']);
  take(order, 92, 94);
  await answer(93);
  expect(events.slice(3)).toEqual(['92', '94']);
});

test('fails if the question has no answer', async () => {
  const order = orderFrom(4);
  take(order, 9);
  await answer(undefined);
  take(order, 10);
  expect(events).toEqual([expect.stringMatching(/^failed: .*empty/)]);
  const other = orderFrom(4);
  take(other, 9);
  await answer(new Error('away'));
  expect(events.at(-1)).toBe('failed: away');
});

test('holds a bounded number of bytes', async () => {
  const order = orderFrom(4, 100);
  order.take(9, message(60));
  order.take(10, message(60));
  expect(events).toEqual([expect.stringMatching(/^failed: too much/)]);
  await answer(5);
  expect(events).toHaveLength(1);
});

test('passes nothing on after stop, not even from within a pass', async () => {
  const order = orderFrom(4);
  take(order, 9, 10);
  order.stop();
  await answer(5);
  expect(events).toEqual([]);
  const stopping: EntryOrder = new EntryOrder(4, 100, {
    pass: (offset) => {
      events.push(String(offset));
      stopping.stop();
    },
    missing: () => undefined,
    failed: () => undefined,
    firstOffset: () => Promise.resolve(5),
  });
  take(stopping, 9, 10);
  await new Promise(setImmediate);
  expect(events).toEqual(['9']);
});
