import { expect, test } from '@jest/globals';
import { ExchangeMessage } from '../../../../../server/src/brokers/exchange-message.js';
import { MemoryConsumer } from '../../../../../server/src/brokers/memory/memory-consumer.js';
import { MemoryVhost } from '../../../../../server/src/brokers/memory/memory-vhost.js';
import { createConfig } from '../../../../../server/src/config.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('an account with a thousand busy queues and one with a single busy queue have equal turns', async () => {
  const { memory, topicExchange, topics, queues } = createConfig();
  let nowMs = 0;
  const options = { ...memory, topicExchange, topics, queueArguments: queues.arguments };
  const vhost = new MemoryVhost(options, new SharedPots(), () => nowMs);
  const deliveries = { flood: 0, other: 0 };
  let isOver = false;
  /** A queue with a message that its consumer returns again and again. */
  function addQueue(name: string, account: keyof typeof deliveries): void {
    const queue = vhost.ensureQueue(name, undefined, account);
    const settings = { prefetch: 1, priority: 0, exclusive: false };
    const consumer = new MemoryConsumer(
      queue,
      settings,
      {
        deliver({ settlement }) {
          deliveries[account]++;
          nowMs++;
          if (!isOver) setImmediate(() => settlement.settle('again'));
        },
      },
      { turns: vhost.requeueTurns, account },
    );
    queue.addConsumer(consumer);
    const message = new ExchangeMessage({ headers: new Map(), body: Buffer.from('x') }, '', name, topicExchange);
    vhost.publish(message, account);
  }
  for (let i = 0; i < 1_000; i++) addQueue(`flood-${i}`, 'flood');
  addQueue('other', 'other');
  deliveries.flood = deliveries.other = 0;
  for (let i = 0; i < 200; i++) await turn();
  expect(deliveries.other).toBeGreaterThan(100);
  expect(Math.abs(deliveries.flood - deliveries.other)).toBeLessThan(5);
  isOver = true;
  vhost.clear();
});
