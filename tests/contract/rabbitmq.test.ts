import { createVhost } from '../support/rabbitmq.js';
import { Brokers } from '../support/rabbitmq-brokers.js';
import { brokerContract, TOPICS } from './broker-contract.js';

brokerContract('RabbitMQ', async () => {
  const vhost = await createVhost();
  const brokers = new Brokers(vhost.amqpUrl);
  return {
    broker: await brokers.start({ topics: TOPICS }),
    another: () => brokers.start({ topics: TOPICS }),
    close: async () => {
      await brokers.closeAll();
      await vhost.delete();
    },
  };
});
