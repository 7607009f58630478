import { describe, expect, test } from '@jest/globals';
import type { PublishOptions } from '../../../../../../server/src/brokers/broker.js';
import { Lanes } from '../../../../../../server/src/brokers/rabbitmq/lanes/lanes.js';
import type { Publisher } from '../../../../../../server/src/brokers/rabbitmq/publish/publisher.js';
import type { RabbitMqOptions } from '../../../../../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import type { Topology } from '../../../../../../server/src/brokers/rabbitmq/topology.js';
import { message, rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

const topology = { exchanges: { own: () => undefined, knows: () => true } } as unknown as Topology;
const publisher = { topology, admit: () => undefined } as unknown as Publisher;
const USER = { exchange: 'stomp-relay.user', key: 'x.ann' };
const TOPIC = { exchange: 'amq.topic', key: 'ui.a' };
const OF_ANN: PublishOptions = { mandatory: false, user: 'ann' };

function travelsInLane(
  route: { exchange: string; key: string },
  options = OF_ANN,
  headers = {},
  more: Partial<RabbitMqOptions> = {},
): boolean {
  const lanes = new Lanes(rabbitOptions('amqp://unused', { lanes: ['/topic/ui.#', '/user/#'], ...more }), topology);
  return lanes.publication(route, message('x', headers), options, publisher) !== undefined;
}

test.each([
  ['topic', TOPIC],
  ['user', USER],
])('messages of clients to a %s of a lane travel in it', (_, route) => {
  expect(travelsInLane(route)).toBe(true);
});

describe('a message travels by itself', () => {
  test.each([
    ['to another topic', { ...TOPIC, key: 'other' }, OF_ANN, {}, {}],
    ['of a relay, such as a revocation', USER, { mandatory: false }, {}, {}],
    ['that is mandatory', USER, { ...OF_ANN, mandatory: true }, {}, {}],
    ['that expires', TOPIC, OF_ANN, { expiration: '1000' }, {}],
    ['of a relay that only reads lanes', TOPIC, OF_ANN, {}, { lanesReadOnly: true }],
  ])('%s', (_, route, options, headers, more) => {
    expect(travelsInLane(route, options, headers, more)).toBe(false);
  });
});
