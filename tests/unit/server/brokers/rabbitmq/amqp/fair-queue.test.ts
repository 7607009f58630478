import { expect, test } from '@jest/globals';
import { FairQueue } from '../../../../../../server/src/brokers/rabbitmq/amqp/fair-queue.js';

test('users take turns, and the work of each keeps its order', () => {
  const queue = new FairQueue<string>();
  for (const work of ['a1', 'a2', 'a3', 'b1', 'b2', 'c1']) queue.add(work[0], work);
  expect([queue.next(), queue.next()]).toEqual(['a1', 'b1']);
  queue.add('d', 'd1');
  queue.add('a', 'a4');
  const rest = Array.from({ length: 7 }, () => queue.next());
  expect(rest).toEqual(['c1', 'a2', 'b2', 'd1', 'a3', 'a4', undefined]);
});
