import { createVhost } from '../support/rabbitmq.js';
import { Brokers } from '../support/rabbitmq-brokers.js';
import { brokerContract } from './broker-contract.js';

brokerContract('RabbitMQ', async () => {
  const vhost = await createVhost();
  const brokers = new Brokers(vhost.amqpUrl);
  return {
    broker: await brokers.start(),
    another: () => brokers.start(),
    close: async () => {
      await brokers.closeAll();
      await vhost.delete();
    },
  };
});
