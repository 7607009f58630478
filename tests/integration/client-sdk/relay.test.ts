/** The client against relays, with each broker behind them: in normal operation, and after failures. */
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createClient } from 'stomp-relay-client';
import type { Client, ClientOptions, ConnectionState, Message, SubscriptionState } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import type { ConfigInput } from '../../../server/src/index.js';
import { eventually } from '../../support/deadline.js';
import { freePorts } from '../../support/free-ports.js';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { createIssuer, fileWith, nowSeconds } from '../../support/tokens.js';

const WAIT_MS = 15_000;
jest.setTimeout(2 * WAIT_MS);

const relays: TestRelay[] = [];
const clients: Client[] = [];
const proxies: TcpProxy[] = [];
const brokers: TestBroker[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await Promise.all(brokers.splice(0).map((broker) => broker.delete()));
});

async function start(brokerUrl: string, options: ConfigInput = {}): Promise<TestRelay> {
  const relay = await startRelay(brokerUrl, options);
  relays.push(relay);
  return relay;
}

function open(url: string, options: Partial<ClientOptions> = {}): Client {
  const client = createClient({
    url,
    createWebSocket: (target, protocols) => new WebSocket(target, protocols),
    reconnectMinMs: 50,
    reconnectMaxMs: 200,
    ...options,
  });
  clients.push(client);
  return client;
}

function dataOf<T>({ all }: Inbox<Message<T>>): T[] {
  return all.map(({ data }) => data);
}

describe.each(BROKERS)('%s', (kind) => {
  let broker: TestBroker;
  let count = 0;
  const name = (): string => `client-${++count}`;
  beforeAll(async () => void (broker = await createBroker(kind)), 120_000);
  afterAll(() => broker.delete());

  test('the other clients get published messages, decoded', async () => {
    const { webSocketUrl } = await start(broker.url);
    const topic = `/topic/${name()}`;
    const inboxes = [new Inbox<Message<unknown>>(), new Inbox<Message<unknown>>()];
    await Promise.all(inboxes.map(({ add }) => open(webSocketUrl).subscribe(topic, add).ready));
    const publisher = open(webSocketUrl);
    await publisher.publish(topic, { price: 1.5 });
    await publisher.publish(topic, 'text');
    await publisher.publish(topic, new Uint8Array([0, 255]));
    for (const inbox of inboxes) {
      await inbox.atLeast(3);
      expect(dataOf(inbox).slice(0, 2)).toEqual([{ price: 1.5 }, 'text']);
      expect([...(dataOf(inbox)[2] as Uint8Array)]).toEqual([0, 255]);
    }
  });

  test('a service answers requests', async () => {
    const { webSocketUrl } = await start(broker.url);
    const queue = `/queue/${name()}`;
    const service = open(webSocketUrl);
    await service.subscribe<number>(queue, ({ data, headers }) => {
      const to = headers['reply-to'] ?? '';
      void service.publish(to, data * 2, { headers: { 'correlation-id': headers['correlation-id'] ?? '' } });
    }).ready;
    const requester = open(webSocketUrl);
    const answers = await Promise.all([1, 2, 3].map((n) => requester.request<number>(queue, n)));
    expect(answers.map(({ data }) => data)).toEqual([2, 4, 6]);
  });

  test('a transaction acknowledges and publishes together', async () => {
    const { webSocketUrl } = await start(broker.url);
    const [from, to] = [`/queue/${name()}`, `/queue/${name()}`];
    const client = open(webSocketUrl);
    const taken = new Inbox<Message<number>>();
    const made = new Inbox<Message<number>>();
    await client.subscribe<number>(from, taken.add, { ack: 'client-individual' }).ready;
    await client.subscribe<number>(to, made.add).ready;
    await client.publish(from, 20);
    const [message] = await taken.atLeast(1);
    await client.transaction((tx) => {
      tx.publish(to, message!.data + 1);
      tx.publish(to, message!.data + 2);
      tx.ack(message!);
    });
    await made.atLeast(2);
    expect(dataOf(made)).toEqual([21, 22]);
  });

  test('after a lost connection unacknowledged messages are delivered again, and acknowledged ones are not', async () => {
    const { webSocketUrl } = await start(broker.url);
    const proxy = await TcpProxy.start(webSocketUrl);
    proxies.push(proxy);
    const client = open(proxy.url(webSocketUrl));
    const queue = `/queue/${name()}`;
    const inbox = new Inbox<Message<string>>();
    const subscription = client.subscribe<string>(queue, inbox.add, { ack: 'client-individual' });
    await subscription.ready;
    await client.publish(queue, 'done');
    await client.publish(queue, 'open');
    const [done, unfinished] = await inbox.atLeast(2);
    await client.transaction((tx) => tx.ack(done!)); // the receipt confirms the ACK
    proxy.drop();
    const again = (await inbox.atLeast(3))[2]!;
    unfinished!.ack(); // does nothing: its connection has ended
    again.ack();
    expect(dataOf(inbox)).toEqual(['done', 'open', 'open']);
    expect(again.headers['redelivered']).toBe('true');
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true });
    await client.publish(queue, 'next');
    expect((await inbox.atLeast(4))[3]!.data).toBe('next');
  });

  test('a refused subscription or publish rejects, and does not affect the connection or the others', async () => {
    const { webSocketUrl } = await start(broker.url);
    const client = open(webSocketUrl, { onError: () => undefined });
    const states: ConnectionState['name'][] = [];
    client.onState((state) => states.push(state.name));
    const topic = `/topic/${name()}`;
    const inbox = new Inbox<Message<string>>();
    await client.subscribe<string>(topic, inbox.add).ready;
    await expect(client.subscribe('/nowhere/a', () => undefined).ready).rejects.toMatchObject({
      code: 'invalid-destination',
    });
    await expect(client.publish('/nowhere/a', 'x')).rejects.toMatchObject({ code: 'invalid-destination' });
    await client.publish(topic, 'still here');
    await inbox.atLeast(1);
    expect(states).toEqual(['connecting', 'connected']);
  });

  test('messages published during a restart of the relay arrive once and in order', async () => {
    const [port = 0] = await freePorts(1);
    const first = await start(broker.url, { listen: { port } });
    const client = open(first.webSocketUrl);
    const topic = `/topic/${name()}`;
    const inbox = new Inbox<Message<number>>();
    const subscription = client.subscribe<number>(topic, inbox.add);
    await subscription.ready;
    const published = [client.publish(topic, 0)];
    await Promise.all(published);
    const lost = new Promise<void>((resolve) => {
      client.onState(({ name: state }) => state === 'waiting' && resolve());
    });
    const subscriptionStates: SubscriptionState[] = [];
    subscription.onState((state) => subscriptionStates.push(state));
    const stopping = first.library.stop({ deadlineMs: 300 });
    await lost;
    for (let n = 1; n <= 50; n++) published.push(client.publish(topic, n));
    await stopping;
    await start(broker.url, { listen: { port } });
    await Promise.all(published);
    await inbox.atLeast(51);
    expect(dataOf(inbox)).toEqual(Array.from({ length: 51 }, (_, n) => n));
    expect(subscriptionStates).toEqual([{ name: 'subscribing' }, { name: 'subscribed', mayHaveMissed: true }]);
  });
});

test('a token is renewed in the session, which outlives its first token', async () => {
  const issuer = createIssuer('ES256');
  const jwt = {
    kind: 'jwt' as const,
    keyFile: fileWith(issuer.publicPem),
    algorithms: ['ES256' as const],
    clockSkewSeconds: 0,
  };
  const { webSocketUrl } = await start('memory:', { auth: { authenticators: [jwt] } });
  const ends: number[] = [];
  const token = (): Promise<string> => {
    ends.push(nowSeconds() + (ends.length === 0 ? 4 : 60));
    return issuer.sign({ exp: ends.at(-1) });
  };
  const client = open(webSocketUrl, { token });
  const inbox = new Inbox<Message<string>>();
  await client.subscribe<string>('/topic/renewal', inbox.add).ready;
  await client.publish('/topic/renewal', 'before');
  await eventually(
    () => (nowSeconds() > ends[0]! + 1 ? true : undefined),
    WAIT_MS,
    () => 'the clock does not advance',
  );
  await client.publish('/topic/renewal', 'after');
  const sessions = (await inbox.atLeast(2)).map(({ headers }) => headers['session']);
  expect(sessions[0]).toBeTruthy();
  expect(sessions[1]).toBe(sessions[0]);
  expect(ends).toHaveLength(2);
});

test('when one of two relays stops, its publishing clients move, and no message is lost or delivered twice', async () => {
  const broker = await createBroker('rabbitmq');
  brokers.push(broker);
  const both = [await start(broker.url), await start(broker.url)];
  let target = both[0]!.webSocketUrl;
  const sockets: WebSocket[] = [];
  const createWebSocket = (_url: string, protocols: string[]): WebSocket => {
    const socket = new WebSocket(target, protocols);
    sockets.push(socket);
    return socket;
  };
  const [publisher, subscriber] = [open('ws://relay', { createWebSocket }), open('ws://relay', { createWebSocket })];
  const states: ConnectionState['name'][][] = [[], []];
  for (const [index, client] of [publisher, subscriber].entries()) {
    client.onState(({ name }) => states[index]!.push(name));
  }
  const inbox = new Inbox<Message<number>>();
  await subscriber.subscribe<number>('/topic/steady', inbox.add).ready;
  const published: Promise<void>[] = [];
  const steady = setInterval(() => published.push(publisher.publish('/topic/steady', published.length)), 2);
  await inbox.atLeast(50);
  target = both[1]!.webSocketUrl;
  const [publisherLink, subscriberLink] = sockets;
  await Promise.all([both[0]!.stop(), ...[publisherLink!, subscriberLink!].map((socket) => once(socket, 'close'))]);
  const seen = inbox.all.length;
  await inbox.atLeast(seen + 50);
  clearInterval(steady);
  await Promise.all(published);
  await inbox.atLeast(published.length);
  expect(dataOf(inbox)).toEqual(published.map((_, n) => n));
  expect(sockets).toHaveLength(4);
  expect(states).toEqual([
    ['connecting', 'connected'],
    ['connecting', 'connected'],
  ]);
}, 60_000);
