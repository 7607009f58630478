import { afterAll, describe, expect, test } from '@jest/globals';
import { brokerContract, HISTORY_RULES, KEY_LIMITS } from 'stomp-relay/contract';
import { RABBITMQ_CAPABILITIES } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { createConfig } from '../../server/src/config.js';
import { Brokers } from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';

const { leftOut } = brokerContract(
  { afterAll, describe, expect, test },
  {
    name: 'RabbitMQ',
    capabilities: RABBITMQ_CAPABILITIES,
    make: async () => {
      const vhost = await createVhost();
      const brokers = new Brokers(vhost.amqpUrl);
      const { history } = createConfig({ history: { rules: HISTORY_RULES } });
      return {
        broker: await brokers.start({ topics: KEY_LIMITS, history }),
        another: () => brokers.start({ topics: KEY_LIMITS, history }),
        close: async () => {
          await brokers.closeAll();
          await vhost.delete();
        },
      };
    },
  },
);

test('RabbitMQ has every capability except deliversInSend', () => {
  expect(leftOut).toEqual([
    'capabilities > deliversInSend: a listener has the message when send() returns (needs deliversInSend)',
    'histories: live deliveries > a listener has the message when send() returns (needs history, deliversInSend)',
  ]);
});
