/** Clients of two relays on one RabbitMQ, whose histories keep the messages that a client misses. */
import { afterEach, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import { createClient } from 'stomp-relay-client';
import type { Client, Gap, Message, Subscription, SubscriptionState } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { eventually } from '../../support/deadline.js';
import { createVhost } from '../../support/rabbitmq.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const TOPIC = '/topic/rows.eur';
const WAIT_MS = 30_000;
jest.setTimeout(4 * WAIT_MS);

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** Two relays, each behind a proxy. Their rings keep 100 messages: readers bring the older ones. */
async function startRelays() {
  const vhost = await createVhost();
  cleanUp.push(() => vhost.delete());
  const rule = { name: 'rows', match: '/topic/rows.#', maxBytes: 64 * 1024 * 1024 };
  const start = async (): Promise<TestRelay & { readonly proxy: TcpProxy; readonly url: string }> => {
    const relay = await startRelay(vhost.amqpUrl, { history: { rules: [rule], ringMaxCount: 100, warmUpMs: 0 } });
    cleanUp.push(() => relay.stop());
    const proxy = await TcpProxy.start(relay.webSocketUrl);
    cleanUp.push(() => proxy.close());
    return { ...relay, proxy, url: proxy.url(relay.webSocketUrl) };
  };
  const relays = [await start(), await start()] as const;
  return { relays, backend: await startBackend(vhost.amqpUrl) };
}

/** Publishes 0, 1, 2, ... over AMQP, without anything that would show a repetition. */
async function startBackend(url: string) {
  const model = await amqp.connect(url);
  cleanUp.push(() => model.close());
  const channel = await model.createConfirmChannel();
  let count = 0;
  return {
    get count() {
      return count;
    },
    /** Resolves when RabbitMQ has confirmed all. */
    async publish(more: number): Promise<void> {
      for (let n = 0; n < more; n++) channel.publish('amq.topic', 'rows.eur', Buffer.from(String(count++)));
      await channel.waitForConfirms();
    },
  };
}

interface Subscriber {
  readonly client: Client;
  readonly subscription: Subscription;
  readonly inbox: Inbox<Message<number>>;
  readonly states: SubscriptionState[];
  readonly gaps: Gap[];
  readonly sockets: WebSocket[];
}

async function subscribe(url: () => string): Promise<Subscriber> {
  const sockets: WebSocket[] = [];
  const client = createClient({
    url: 'ws://relay',
    reconnectMinMs: 20,
    reconnectMaxMs: 100,
    createWebSocket: (_url, protocols) => {
      const socket = new WebSocket(url(), protocols);
      sockets.push(socket);
      return socket;
    },
  });
  cleanUp.push(() => client.close());
  const inbox = new Inbox<Message<number>>();
  const gaps: Gap[] = [];
  const subscription = client.subscribe<number>(TOPIC, inbox.add, { onGap: (gap) => gaps.push(gap) });
  await subscription.ready;
  const states: SubscriptionState[] = []; // later ones
  subscription.onState((state) => states.push(state));
  return { client, subscription, inbox, states, gaps, sockets };
}

/** Every subscriber has got each message once and in order, and as many as its relay has counted. */
async function expectExact(subscribers: readonly Subscriber[], count: number): Promise<void> {
  const expected = Array.from({ length: count }, (_, n) => n);
  for (const { client, subscription, inbox, gaps } of subscribers) {
    await inbox.atLeast(count, WAIT_MS);
    const { delivered, received } = await client.check(subscription); // answered behind all messages
    expect(received).toBe(delivered);
    expect(inbox.all.map(({ data }) => data)).toEqual(expected);
    expect(gaps).toEqual([]);
  }
}

test('a client whose connection is killed gets what it missed from the other relay, by a reader or from its ring', async () => {
  const { relays, backend } = await startRelays();
  let target = 0;
  const subscriber = await subscribe(() => relays[target]!.url);
  const { states } = subscriber;
  await backend.publish(50);
  await subscriber.inbox.atLeast(50);
  for (const missed of [1_000, 40, 0, 500]) {
    const [here, there] = [relays[target]!, relays[1 - target]!];
    there.proxy.cut();
    target = 1 - target;
    here.proxy.cut();
    await eventually(
      () => states.at(-1)?.name === 'subscribing' || undefined,
      WAIT_MS,
      () => 'the client has not noticed the loss',
    );
    await backend.publish(missed);
    states.length = 0;
    there.proxy.restore();
    here.proxy.restore();
    await eventually(
      () => (states.at(-1) as { replayed?: number } | undefined)?.replayed !== undefined || undefined,
      WAIT_MS,
      () => `the replay has not ended: ${JSON.stringify(states)}`,
    );
    await backend.publish(10);
    await expectExact([subscriber], backend.count);
    // a reader does not know the number of its messages before it has brought them
    const replayed = missed > 100 ? [undefined, missed] : [missed];
    expect(states).toEqual(
      replayed.map((each) => ({ name: 'subscribed', mayHaveMissed: false, recovered: true, replayed: each })),
    );
  }
  expect(subscriber.sockets.length).toBeGreaterThanOrEqual(5);
});

test('a relay that stops under load: its clients move, and none misses a message or gets one twice', async () => {
  const { relays, backend } = await startRelays();
  let target = 0;
  const subscribers = await Promise.all(Array.from({ length: 50 }, () => subscribe(() => relays[target]!.url)));
  let isLoaded = true;
  const load = (async () => {
    while (isLoaded) await backend.publish(10);
  })();
  await Promise.all(subscribers.map(({ inbox }) => inbox.atLeast(200, WAIT_MS)));
  target = 1;
  await relays[0].stop();
  const moved = Math.max(...subscribers.map(({ inbox }) => inbox.all.length));
  await Promise.all(subscribers.map(({ inbox }) => inbox.atLeast(moved + 200, WAIT_MS)));
  isLoaded = false;
  await load;
  await expectExact(subscribers, backend.count);
  for (const { sockets, states } of subscribers) {
    expect(sockets).toHaveLength(2);
    expect(states).toEqual([]); // subscribed throughout, without a gap
  }
});
