import { describe, expect, test } from '@jest/globals';
import {
  durablePrefixOf,
  durableQueue,
  isDurableName,
  readDescription,
} from '../../../../server/src/brokers/durable-names.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';

const TOPIC = parseDestination('/topic/a', 'subscribe');
const ANN = { sessionId: 's-1', user: 'ann', clientId: 'tab' };

test('the name begins with the digest of the user, and both forms of a name are recognised', () => {
  const { name, formerName } = durableQueue(TOPIC, 'sub-0', ANN);
  expect(name.startsWith(durablePrefixOf('ann'))).toBe(true);
  expect(name.startsWith(durablePrefixOf('bob'))).toBe(false);
  for (const each of [name, formerName]) expect(isDurableName(each)).toBe(true);
  expect(formerName).toBe('stomp-relay.durable.Egn922hE6IBf6wqW7ZlfgQB_5-DuEH1l-hx3emIxDOI');
});

test.each([
  'jobs',
  'stomp-relay.durable.',
  `stomp-relay.reply.${'a'.repeat(43)}`,
  `x.stomp-relay.durable.${'a'.repeat(43)}`,
])('%s is no name of a durable queue', (name) => {
  expect(isDurableName(name)).toBe(false);
});

describe('the description', () => {
  test('has the parts of the subscription', () => {
    const subscription = { user: 'ann', clientId: 'tab', destination: '/topic/a', subscription: 'sub-0' };
    expect(readDescription(durableQueue(TOPIC, 'sub-0', ANN).description)).toEqual(subscription);
    const { clientId, ...rest } = subscription;
    expect(clientId).toBe('tab');
    expect(readDescription(durableQueue(TOPIC, 'sub-0', { ...ANN, clientId: undefined }).description)).toEqual(rest);
  });

  test('is bounded, whatever a client chooses', () => {
    const { description } = durableQueue(TOPIC, '\u0001'.repeat(20_000), { ...ANN, clientId: '"'.repeat(20_000) });
    expect(JSON.stringify(description).length).toBeLessThan(10_000);
    expect(readDescription(description)).toMatchObject({ subscription: '\u0001'.repeat(500) });
  });

  test.each([undefined, 7, 'no JSON', 'null', '[]', '{"user":7}'])(
    '%j, which another program wrote, is empty',
    (text) => {
      expect(readDescription({ 'x-stomp-relay': text })).toEqual({});
    },
  );
});
