import { afterAll, describe, expect, test } from '@jest/globals';
import { brokerContract, HISTORY_RULES, KEY_LIMITS } from 'stomp-relay/contract';
import { MEMORY_CAPABILITIES, MemoryBroker } from '../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../server/src/config.js';

const { leftOut } = brokerContract(
  { afterAll, describe, expect, test },
  {
    name: 'embedded broker',
    capabilities: MEMORY_CAPABILITIES,
    make: async () => {
      const { memory, topicExchange, queues, history } = createConfig({ history: { rules: HISTORY_RULES } });
      const settings = { topicExchange, topics: KEY_LIMITS, queueArguments: queues.arguments, history };
      const broker = new MemoryBroker({ ...memory, ...settings });
      await broker.start();
      return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
    },
  },
);

test('the embedded broker lacks streams and shared instances', () => {
  expect(leftOut).toEqual([
    'capabilities > shared: there is more than one instance (needs shared)',
    'capabilities > streams: each consumer reads from its requested offset (needs streams, queues, acks)',
  ]);
});
