import { describe, expect, test } from '@jest/globals';
import { OutgoingMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import type { Publisher } from '../../../../../../server/src/brokers/rabbitmq/publish/publisher.js';
import { Publishers } from '../../../../../../server/src/brokers/rabbitmq/publish/publishers.js';
import { hashOf } from '../../../../../../server/src/brokers/rabbitmq/text-hash.js';
import type { Topology } from '../../../../../../server/src/brokers/rabbitmq/topology.js';
import { message, rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

describe('users are spread over the channels', () => {
  test.each<[string, (index: number) => string]>([
    ['numbered', (index) => `user-${index}`],
    ['addresses', (index) => `person.${index * 8}@example.com`],
    ['ids of sessions', (index) => `~${index.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`],
    ['one letter apart', (index) => String.fromCodePoint(0x100 + index * 16)],
  ])('evenly: %s', (_, nameOf) => {
    const counts = Array.from({ length: 8 }, () => 0);
    for (let index = 0; index < 800; index++) counts[hashOf(nameOf(index)) % 8]!++;
    for (const count of counts) {
      expect(count).toBeGreaterThan(60);
      expect(count).toBeLessThan(145);
    }
  });

  test('consistently', () => {
    expect(hashOf('alice')).toBe(hashOf(['al', 'ice'].join('')));
    expect(hashOf('')).toBeGreaterThanOrEqual(0);
    expect(Number.isSafeInteger(hashOf('\ud800🙂'))).toBe(true);
  });
});

test('the relay itself publishes where the fewest messages wait, whatever its users do', async () => {
  const options = rabbitOptions('amqp://nowhere', { publishChannels: 2 });
  const bindings = new OwnBindings(1_000, () => Promise.resolve());
  const publishers = new Publishers({} as Topology, bindings, options);
  const [busy, idle] = ['mallory', userApartFrom('mallory', 2)].map((user) => publishers.of(user)) as [
    Publisher,
    Publisher,
  ];
  for (const each of [busy, idle]) Object.defineProperty(each, 'obstacle', { get: () => undefined });
  const outgoing = new OutgoingMessage(message('x'), options.topics, 131_072);
  const sent = busy.publish({ exchange: 'e', key: 'k' }, outgoing, { mandatory: false, user: 'mallory' });
  expect(publishers.of('')).toBe(idle);
  const lost = expect(sent).rejects.toMatchObject({ code: 'broker-unavailable' });
  await publishers.close();
  await lost;
});

function userApartFrom(user: string, channels: number): string {
  const names = Array.from({ length: 20 }, (_, index) => `user-${index}`);
  return names.find((name) => hashOf(name) % channels !== hashOf(user) % channels)!;
}
