import { expect, test } from '@jest/globals';
import { DeadLetterQueues } from '../../../../../server/src/brokers/rabbitmq/dead-letter-queues.js';
import type { Account } from '../../../../../server/src/load/accounts.js';
import { LimitMode } from '../../../../../server/src/load/limit-mode.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

const refusal = expect.objectContaining({ code: 'invalid-header' });
const declared = (account: Account, given: Record<string, string> = { 'x-dead-letter-exchange': '' }) => ({
  name: 'q',
  account,
  declaration: { autoDelete: false, arguments: given },
});

test('an account has the allowed number, and a release makes room', () => {
  const queues = new DeadLetterQueues(new SharedPots(), 2);
  queues.take(declared('user:ann'));
  queues.take(declared('user:ann'));
  expect(() => queues.take(declared('user:ann'))).toThrow(refusal);
  queues.take(declared('user:bob'));
  queues.release(declared('user:ann'));
  queues.take(declared('user:ann'));
});

test('other queues, and clients without an account, have no limit', () => {
  const queues = new DeadLetterQueues(new SharedPots(), 0);
  for (const queue of [declared(undefined), declared('user:ann', { 'x-expires': '1' })]) {
    queues.take(queue);
    queues.release(queue);
  }
  expect(() => queues.take(declared('user:ann'))).toThrow(refusal);
});

test('a dry run refuses none, and counts what it would refuse', () => {
  const pots = new SharedPots(new LimitMode('report'));
  const queues = new DeadLetterQueues(pots, 1);
  for (let i = 0; i < 3; i++) queues.take(declared('user:ann'));
  const limit = 'queues.arguments.deadLetterQueuesMax';
  expect(pots.all()).toMatchObject([{ limit, used: 3, allowed: 1, refused: { share: 2 } }]);
});
