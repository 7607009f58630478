import { expect, test } from '@jest/globals';
import { StreamPosition } from '../../../../../../server/src/brokers/rabbitmq/consume/stream-position.js';

function deliver(position: StreamPosition, tags: Record<number, number>): boolean[] {
  return Object.entries(tags).map(([tag, offset]) => position.delivered(Number(tag), offset));
}

test('before the first delivery, the start is that of SUBSCRIBE', () => {
  const position = new StreamPosition();
  position.lost();
  expect(position.resume()).toBeUndefined();
});

test('after a loss, reading continues after the settled messages', () => {
  const position = new StreamPosition();
  expect(deliver(position, { 1: 10, 2: 11, 3: 12 })).toEqual([false, false, false]);
  for (const tag of [1, 2, 3]) position.settled(tag);
  position.lost();
  expect(position.resume()).toBe(13);
});

test('after a loss, the oldest unsettled message comes first, marked as redelivered', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11, 3: 12 });
  position.settled(1);
  position.lost();
  expect(position.resume()).toBe(11);
  expect(deliver(position, { 1: 11, 2: 12, 3: 13 })).toEqual([true, true, false]);
});

test('a rewind reads the returned message and all later ones again, once', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11, 3: 12, 4: 13 });
  position.rewind(3);
  position.rewind(4);
  expect([position.mustResume, position.resume(), position.mustResume]).toEqual([true, 12, false]);
  // The client can still settle the messages that it holds, and a loss brings them back
  position.settled(1);
  position.lost();
  expect(position.resume()).toBe(11);
});

test('a loss during a rewind keeps both positions', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11 });
  position.settled(1);
  position.rewind(2);
  position.lost();
  expect(position.resume()).toBe(11);
});
