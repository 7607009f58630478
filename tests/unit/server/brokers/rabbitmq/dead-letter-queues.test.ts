import { expect, test } from '@jest/globals';
import { DeadLetterQueues, hasDeadLetters } from '../../../../../server/src/brokers/rabbitmq/dead-letter-queues.js';

const refusal = expect.objectContaining({ code: 'invalid-header' });

test('an account has the allowed number, and a release makes room', () => {
  const queues = new DeadLetterQueues(2);
  queues.take('user:ann');
  queues.take('user:ann');
  expect(() => queues.take('user:ann')).toThrow(refusal);
  queues.take('user:bob');
  queues.release('user:ann');
  queues.take('user:ann');
});

test('clients without an account have no limit', () => {
  const queues = new DeadLetterQueues(0);
  queues.take(undefined);
  queues.release(undefined);
  expect(() => queues.take('user:ann')).toThrow(refusal);
});

test('a declaration has dead letters if it names their exchange, even the default one', () => {
  const having = (given: Record<string, string>) => hasDeadLetters({ autoDelete: false, arguments: given });
  expect(having({ 'x-dead-letter-exchange': '' })).toBe(true);
  expect(having({ 'x-expires': '1' })).toBe(false);
});
