import { expect, test } from '@jest/globals';
import type { BrokerSubscription } from '../../../../../server/src/brokers/broker.js';
import { MemoryBroker } from '../../../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../../../server/src/config.js';
import { publishTo } from '../../../../../server/src/contract/publish-to.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';
import { EMPTY_BODY } from '../../../../../server/src/stomp/frame.js';

async function startBroker(): Promise<MemoryBroker> {
  const { memory, topicExchange, topics, queues } = createConfig();
  const broker = new MemoryBroker({ ...memory, topicExchange, topics, queueArguments: queues.arguments });
  await broker.start();
  return broker;
}

function subscribe(broker: MemoryBroker, user: string, id: string): Promise<BrokerSubscription> {
  const channel = broker.openChannel({ sessionId: 's', user, clientId: undefined });
  const options = { ack: 'client', headers: new Map([['durable', 'true']]), subscriptionId: id } as const;
  const consumer = { deliver: () => undefined, ended: () => undefined };
  return channel.consume(parseDestination('/topic/a', 'subscribe'), options, consumer);
}

test('durable subscriptions are listed with their messages, in pages and by user', async () => {
  const broker = await startBroker();
  const { durableSubscriptions: durables } = broker;
  const [held] = [await subscribe(broker, 'ann', '1'), await subscribe(broker, 'ann', '2')];
  await (await subscribe(broker, 'bob', '1')).close();
  await held?.close();
  await publishTo(
    broker,
    parseDestination('/topic/a', 'send'),
    { headers: new Map(), body: EMPTY_BODY },
    { mandatory: true },
  );
  const ofAnn = await durables.list({ user: 'ann', limit: 10 });
  expect(ofAnn.isMore).toBe(false);
  const described = { user: 'ann', destination: '/topic/a', messages: 1 };
  const [one, two] = [...ofAnn.items].sort((a, b) => ((a.subscription ?? '') < (b.subscription ?? '') ? -1 : 1));
  expect(one).toEqual({ ...described, queue: expect.any(String), subscription: '1', isInUse: false });
  expect(two).toEqual({ ...described, queue: expect.any(String), subscription: '2', isInUse: true });
  const first = await durables.list({ limit: 2 });
  const rest = await durables.list({ limit: 2, after: first.items.at(-1)?.queue });
  expect([first.isMore, rest.isMore]).toEqual([true, false]);
  const names = [...first.items, ...rest.items].map(({ queue }) => queue);
  expect(names).toEqual([...new Set(names)].sort());
  await broker.close();
});

test('a durable subscription is ended unless it is held, or by force', async () => {
  const broker = await startBroker();
  const { durableSubscriptions: durables } = broker;
  await subscribe(broker, 'ann', '1');
  const [{ queue } = { queue: '' }] = (await durables.list({ limit: 1 })).items;
  expect(await durables.end(queue)).toBe('in-use');
  expect(await durables.end(queue, { evenInUse: true })).toBe('ended');
  expect(await durables.end(queue)).toBe('missing');
  expect(await durables.end('jobs')).toBe('missing');
  await broker.close();
});
