import { expect, test } from '@jest/globals';
import { StreamPosition } from '../../../../../../server/src/brokers/rabbitmq/consume/stream-position.js';

function deliver(position: StreamPosition, tags: Record<number, number>): boolean[] {
  return Object.entries(tags).map(([tag, offset]) => position.delivered(Number(tag), offset));
}

test('before anything is delivered it begins where SUBSCRIBE says', () => {
  const position = new StreamPosition();
  position.lost();
  expect(position.resume()).toBeUndefined();
});

test('after a loss it goes on behind what was settled', () => {
  const position = new StreamPosition();
  expect(deliver(position, { 1: 10, 2: 11, 3: 12 })).toEqual([false, false, false]);
  for (const tag of [1, 2, 3]) position.settled(tag);
  position.lost();
  expect(position.resume()).toBe(13);
});

test('after a loss the oldest that was not settled comes first, and says that it came before', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11, 3: 12 });
  position.settled(1);
  position.lost();
  expect(position.resume()).toBe(11);
  expect(deliver(position, { 1: 11, 2: 12, 3: 13 })).toEqual([true, true, false]);
});

test('a rewind reads again what was given back and all behind it, once', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11, 3: 12, 4: 13 });
  position.rewind(3);
  position.rewind(4);
  expect([position.mustResume, position.resume(), position.mustResume]).toEqual([true, 12, false]);
  // What the client holds can still be settled, and is what a loss brings back
  position.settled(1);
  position.lost();
  expect(position.resume()).toBe(11);
});

test('a loss before the rewind is done loses neither', () => {
  const position = new StreamPosition();
  deliver(position, { 1: 10, 2: 11 });
  position.settled(1);
  position.rewind(2);
  position.lost();
  expect(position.resume()).toBe(11);
});
