import { expect, test } from '@jest/globals';
import { refusedBecause } from '../../../../../../server/src/brokers/rabbitmq/publish/publish-errors.js';

const ROUTE = { exchange: 'amq.topic', key: 'a' };
const closed = (code: number) => Object.assign(new Error('closed'), { code });

test.each([
  [404, 'exchange-not-found'],
  [403, 'access-refused'],
  // RabbitMQ would refuse the message again
  [406, 'unacceptable-message'],
  // RabbitMQ failed
  [541, 'publish-refused'],
])('a channel that is closed with %d because of a message: %s', (reply, code) => {
  expect(refusedBecause(closed(reply), ROUTE).code).toBe(code);
});
