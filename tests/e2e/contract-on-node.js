/**
 * The exported contract on the embedded broker, under `node --test`, started by contract.test.ts. Needs the built
 * server.
 */
import { describe, test } from 'node:test';
import { expect } from 'expect';
import { brokerContract, HISTORY_RULES, KEY_LIMITS } from 'stomp-relay/contract';
import { MEMORY_CAPABILITIES, MemoryBroker } from '../../server/dist/brokers/memory/memory-broker.js';
import { createConfig } from '../../server/dist/config.js';

const { memory, topicExchange, queues, history } = createConfig({ history: { rules: HISTORY_RULES } });

const { leftOut } = brokerContract(
  { describe, test, expect },
  {
    name: 'embedded broker',
    capabilities: MEMORY_CAPABILITIES,
    make: async () => {
      const settings = { topicExchange, topics: KEY_LIMITS, queueArguments: queues.arguments, history };
      const broker = new MemoryBroker({ ...memory, ...settings });
      await broker.start();
      return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
    },
  },
);
for (const line of leftOut) console.log(`left out: ${line}`);
