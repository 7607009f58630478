import { expect, test } from '@jest/globals';
import { QueueNacks } from '../../../../../../server/src/brokers/rabbitmq/publish/queue-nacks.js';

const QUORUM = { autoDelete: false, arguments: { 'x-queue-type': 'quorum' } };

test('a message to a queue is sent again for some seconds, while a quorum queue may elect a leader', () => {
  const nacks = new QueueNacks();
  const delays = [1, 2, 3, 4, 5].map((count) => nacks.delayMs({ key: 'q' }, count));
  expect(delays).toEqual([250, 500, 1_000, 2_000, 2_000]);
  expect(nacks.delayMs({ key: 'q' }, 6)).toBeUndefined();
});

test('a message to a declared quorum queue is sent again until its deadline', () => {
  const nacks = new QueueNacks();
  for (let count = 1; count < 100; count++) {
    expect(nacks.delayMs({ key: 'q', declaration: QUORUM }, count)).toBeLessThanOrEqual(2_000);
  }
});

test('after a message that failed in each attempt, nacks of its queue are final, and those of others are not', () => {
  const nacks = new QueueNacks();
  nacks.delayMs({ key: 'full' }, 6);
  expect(nacks.delayMs({ key: 'full' }, 1)).toBeUndefined();
  expect(nacks.delayMs({ key: 'other' }, 1)).toBe(250);
});

test.each(['reject-publish', 'reject-publish-dlx'])(
  'a queue that was declared with x-overflow:%s is full',
  (overflow) => {
    const declaration = { autoDelete: false, arguments: { 'x-overflow': overflow } };
    expect(new QueueNacks().delayMs({ key: 'q', declaration }, 1)).toBeUndefined();
  },
);
