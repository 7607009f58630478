import { expect, test } from '@jest/globals';
import { freshName } from '../../../../server/src/brokers/queue-plan.js';
import { QueuePots } from '../../../../server/src/brokers/queue-pots.js';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';

const BOUNDS = { queuesMax: 1, durableQueuesMax: 1, replyQueuesMax: 1 };
const NAMES = ['orders', `stomp-relay.durable.${'x'.repeat(43)}`, freshName('reply')];

test('queues, durable subscriptions and reply queues have separate pots', () => {
  const pots = new SharedPots();
  const queues = new QueuePots(pots, 'memory', BOUNDS);
  for (const name of NAMES) queues.take({ name, account: undefined });
  for (const name of [...NAMES, freshName('subscription')]) {
    expect(() => queues.take({ name, account: undefined })).toThrow(
      expect.objectContaining({ code: 'too-many-queues' }),
    );
  }
  for (const name of NAMES) queues.release({ name, account: undefined });
  expect(pots.all().map(({ limit, used }) => [limit, used])).toEqual([
    ['memory.queuesMax', 0],
    ['memory.durableQueuesMax', 0],
    ['memory.replyQueuesMax', 0],
  ]);
});

test.each([
  ['memory', true],
  ['rabbitmq', false],
] as const)('in a dry run the bounds of %s refuse: %s', (section, refuses) => {
  const queues = new QueuePots(new SharedPots(new LimitMode('report')), section, BOUNDS);
  queues.take({ name: '1', account: undefined });
  const take = () => queues.take({ name: '2', account: undefined });
  if (refuses) expect(take).toThrow('memory.queuesMax (1)');
  else expect(take).not.toThrow();
});
