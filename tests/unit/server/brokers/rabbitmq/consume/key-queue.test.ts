import { expect, test } from '@jest/globals';
import { KeyQueue } from '../../../../../../server/src/brokers/rabbitmq/consume/key-queue.js';

function rest(queue: KeyQueue): string[] {
  const keys: string[] = [];
  for (let key = queue.next(); key !== undefined; key = queue.next()) keys.push(key);
  return keys;
}

test('accounts take turns, and a key of several accounts comes once, with the first of their turns', () => {
  const queue = new KeyQueue();
  for (const key of ['a1', 'a2', 'shared']) queue.add(key, ['a']);
  queue.add('shared', ['a', 'b']);
  queue.add('shared', ['b']);
  queue.add('b1', ['b']);
  expect([queue.size, queue.has('shared')]).toEqual([4, true]);
  expect(rest(queue)).toEqual(['a1', 'shared', 'a2', 'b1']);
  expect([queue.size, queue.has('shared')]).toEqual([0, false]);
});

test('a key can wait again after its turn, and nothing waits after a clearance', () => {
  const queue = new KeyQueue();
  queue.add('k', ['a', 'b']);
  expect(rest(queue)).toEqual(['k']);
  queue.add('k', ['b']);
  expect(queue.next()).toBe('k');
  queue.add('k', ['a']);
  queue.clear();
  expect([queue.size, queue.next()]).toEqual([0, undefined]);
});
