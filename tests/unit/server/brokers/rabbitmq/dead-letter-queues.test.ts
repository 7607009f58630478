import { expect, test } from '@jest/globals';
import { DeadLetterQueues } from '../../../../../server/src/brokers/rabbitmq/dead-letter-queues.js';
import type { Account } from '../../../../../server/src/load/accounts.js';

const refusal = expect.objectContaining({ code: 'invalid-header' });
const declared = (account: Account, given: Record<string, string> = { 'x-dead-letter-exchange': '' }) => ({
  name: 'q',
  account,
  declaration: { autoDelete: false, arguments: given },
});

test('an account has the allowed number, and a release makes room', () => {
  const queues = new DeadLetterQueues(2);
  queues.take(declared('user:ann'));
  queues.take(declared('user:ann'));
  expect(() => queues.take(declared('user:ann'))).toThrow(refusal);
  queues.take(declared('user:bob'));
  queues.release(declared('user:ann'));
  queues.take(declared('user:ann'));
});

test('other queues, and clients without an account, have no limit', () => {
  const queues = new DeadLetterQueues(0);
  for (const queue of [declared(undefined), declared('user:ann', { 'x-expires': '1' })]) {
    queues.take(queue);
    queues.release(queue);
  }
  expect(() => queues.take(declared('user:ann'))).toThrow(refusal);
});
