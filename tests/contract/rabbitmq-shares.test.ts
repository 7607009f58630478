import { SharedPots } from '../../server/src/load/shared-pots.js';
import { Brokers } from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import { BOUNDS, sharesOfBroker } from './shares.js';

sharesOfBroker('RabbitMQ', async () => {
  const vhost = await createVhost();
  const brokers = new Brokers(vhost.amqpUrl);
  const pots = new SharedPots();
  const broker = await brokers.start(BOUNDS, pots);
  const close = async (): Promise<void> => {
    await brokers.closeAll();
    await vhost.delete();
  };
  return { broker, pots, close };
});
