/** Subscribers cost RabbitMQ nothing, by its own counts. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const SESSIONS = 2_000;
const SUBSCRIPTIONS_EACH = 5;

let vhost: Vhost;
let relay: TestRelay;
const clients: StompClient[] = [];

beforeAll(async () => {
  vhost = await createVhost();
  relay = await startRelay(vhost.amqpUrl);
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});
afterAll(async () => {
  await relay.stop();
  await vhost.delete();
});

interface Queue {
  readonly name: string;
}
interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly routing_key: string;
}

test('10,000 subscribers of one topic on one instance need one queue and one binding', async () => {
  for (let at = 0; at < SESSIONS; at += 100) {
    clients.push(...(await Promise.all(Array.from({ length: 100 }, () => subscriber()))));
  }

  // The exchange of users always has bindings, for messages between relays
  const all = ((await vhost.api('GET', 'bindings')) as Binding[]).filter(({ source }) => source !== '');
  const isCanary = (key: string): boolean => key.startsWith('stomp-relay.canary.');
  const bindings = all.filter(({ source, routing_key: key }) => source !== 'stomp-relay.user' && !isCanary(key));
  expect(bindings).toEqual([expect.objectContaining({ source: 'amq.topic', routing_key: 'scale.data' })]);
  const queues = ((await vhost.api('GET', 'queues')) as Queue[]).map(({ name }) => name);
  expect(queues.filter((name) => !/^stomp-relay\.instance\.\w+\.users\./.test(name))).toEqual([
    bindings[0]?.destination,
  ]);
  expect(queues).toHaveLength(2);

  const publisher = await connectStomp(relay.tcpUrl);
  clients.push(publisher);
  await publisher.receipt('SEND', { destination: '/topic/scale/data' }, 'to all');
  const received = await Promise.all(clients.slice(0, SESSIONS).map(everyMessage));
  expect(received.flat()).toEqual(Array.from({ length: SESSIONS * SUBSCRIPTIONS_EACH }, () => 'to all'));
}, 120_000);

/** A session with several subscriptions to the same topic, all confirmed. */
async function subscriber(): Promise<StompClient> {
  const client = await connectStomp(relay.tcpUrl);
  const subscribes = Array.from({ length: SUBSCRIPTIONS_EACH }, (_, id) =>
    frame('SUBSCRIBE', { id: String(id), destination: '/topic/scale.data', receipt: String(id) }),
  );
  client.send(Buffer.concat(subscribes));
  for (let id = 0; id < SUBSCRIPTIONS_EACH; id++) await client.expectFrame('RECEIPT', { 'receipt-id': String(id) });
  return client;
}

async function everyMessage(client: StompClient): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < SUBSCRIPTIONS_EACH) bodies.push((await client.expectFrame('MESSAGE')).body.toString());
  return bodies;
}
