import { expect, test } from '@jest/globals';
import { DeadLetterQueues } from '../../../../../server/src/brokers/rabbitmq/dead-letter-queues.js';

const DEAD = { autoDelete: false, arguments: { 'x-dead-letter-exchange': '' } };
const refusal = expect.objectContaining({ code: 'invalid-header' });

test('an account declares the allowed number of queues with dead letters, each as often as it likes', () => {
  const queues = new DeadLetterQueues(2);
  for (const queue of ['a', 'b', 'a', 'b']) queues.admit(queue, DEAD, 'user:ann');
  expect(() => queues.admit('c', DEAD, 'user:ann')).toThrow(refusal);
  queues.admit('c', { autoDelete: false, arguments: { 'x-expires': 1 } }, 'user:ann');
  queues.admit('c', DEAD, 'user:bob');
});

test('clients without an account count together', () => {
  const queues = new DeadLetterQueues(1);
  queues.admit('a', DEAD, undefined);
  expect(() => queues.admit('b', DEAD, undefined)).toThrow(refusal);
});
