import { MemoryBroker } from '../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../server/src/config.js';
import { SharedPots } from '../../server/src/load/shared-pots.js';
import { BOUNDS, sharesOfBroker } from './shares.js';

sharesOfBroker('embedded broker', async () => {
  const { memory, topicExchange, topics, queues } = createConfig();
  const pots = new SharedPots();
  const settings = { ...memory, ...BOUNDS, topicExchange, topics, queueArguments: queues.arguments };
  const broker = new MemoryBroker(settings, pots);
  await broker.start();
  return { broker, pots, close: () => broker.close() };
});
