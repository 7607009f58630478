/** The contract for messages that travel in lanes: all topics and users. */
import { afterAll, describe, expect, test } from '@jest/globals';
import { brokerContract, KEY_LIMITS } from 'stomp-relay/contract';
import { RABBITMQ_CAPABILITIES } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { Brokers } from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';

const LANES = ['/topic/#', '/user/#'];
/** Subscriptions in lanes have no queues of their own, and the lanes of topics no mandatory messages. */
const NOT_IN_LANES = { acks: false, durable: false, queueArguments: false, mandatory: false, history: false };
const capabilities = { ...RABBITMQ_CAPABILITIES, ...NOT_IN_LANES };

/** A broker offers more outside of its lanes, where this suite does not look. */
async function start(brokers: Brokers): Promise<RabbitMqBroker> {
  const broker = await brokers.start({ topics: KEY_LIMITS, lanes: LANES });
  return Object.defineProperty(broker, 'capabilities', { value: capabilities });
}

brokerContract(
  { afterAll, describe, expect, test },
  {
    name: 'RabbitMQ with lanes',
    capabilities,
    make: async () => {
      const vhost = await createVhost();
      const brokers = new Brokers(vhost.amqpUrl);
      return {
        broker: await start(brokers),
        another: () => start(brokers),
        close: async () => {
          await brokers.closeAll();
          await vhost.delete();
        },
      };
    },
  },
);
