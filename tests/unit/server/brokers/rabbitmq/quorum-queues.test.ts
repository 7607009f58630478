import { expect, test } from '@jest/globals';
import { QuorumQueues } from '../../../../../server/src/brokers/rabbitmq/quorum-queues.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

const declared = (account: string, type?: string) => ({
  name: 'q',
  account,
  declaration: { autoDelete: false, arguments: type === undefined ? {} : { 'x-queue-type': type } },
});

test('an account has a share of the quorum queues and streams; classic queues do not count', () => {
  const pots = new SharedPots();
  const queues = new QuorumQueues(pots, 8);
  for (const type of ['quorum', 'stream', 'quorum', 'stream']) queues.take(declared('user:ann', type));
  expect(() => queues.take(declared('user:ann', 'quorum'))).toThrow('rabbitmq.quorumQueuesMax (8)');
  for (const type of [undefined, 'classic']) queues.take(declared('user:ann', type));
  queues.take(declared('user:bob', 'stream'));
  for (const type of ['quorum', 'stream', 'quorum', undefined]) queues.release(declared('user:ann', type));
  expect(pots.all()[0]).toMatchObject({ limit: 'rabbitmq.quorumQueuesMax', used: 2, allowed: 8 });
});
