import { createConfig } from '../../server/src/config.js';
import { MemoryBroker } from '../../server/src/brokers/memory/memory-broker.js';
import { brokerContract, TOPICS } from './broker-contract.js';

brokerContract('embedded broker', async () => {
  const { memory, topicExchange, queues } = createConfig();
  const broker = new MemoryBroker({ ...memory, topicExchange, topics: TOPICS, queueArguments: queues.arguments });
  await broker.start();
  return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
});
