/** Clients move from a relay that stops to another one, and either is slower: each message arrives once and in order. */
import { afterEach, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import { createClient } from 'stomp-relay-client';
import type { Client, Message } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { eventually } from '../../support/deadline.js';
import { createBroker, startRelay } from '../../support/relay.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

const CLIENTS = 20;
const DELAY_MS = 200;
const PAUSE_MS = 20;
const WAIT_MS = 30_000;
jest.setTimeout(3 * WAIT_MS);

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

/** Publishes numbers over AMQP, without anything that would show a repetition. */
async function publishSteadily(url: string, key: string) {
  const model = await amqp.connect(url);
  const channel = await model.createChannel();
  let count = 0;
  const timer = setInterval(() => channel.publish('amq.topic', key, Buffer.from(String(count++))), PAUSE_MS);
  cleanUp.push(() => {
    clearInterval(timer);
    return model.close();
  });
  return {
    stop: () => {
      clearInterval(timer);
      return count;
    },
  };
}

async function behindProxy(url: string): Promise<{ readonly proxy: TcpProxy; readonly url: string }> {
  const proxy = await TcpProxy.start(url);
  cleanUp.push(() => proxy.close());
  return { proxy, url: proxy.url(url) };
}

async function openSubscribed(url: () => string, topic: string) {
  const sockets: WebSocket[] = [];
  const client: Client = createClient({
    url: 'ws://relay',
    createWebSocket: (_url, protocols) => {
      const socket = new WebSocket(url(), protocols);
      sockets.push(socket);
      return socket;
    },
  });
  cleanUp.push(() => client.close());
  const inbox = new Inbox<Message<number>>();
  await client.subscribe<number>(`/topic/${topic}`, inbox.add).ready;
  return { sockets, inbox };
}

test.each([
  ['no path', undefined],
  ['the path from RabbitMQ to the old relay', 'old broker'],
  ['the path from RabbitMQ to the next relay', 'next broker'],
  ['the path from the old relay to its clients', 'old clients'],
  ['the path from the next relay to its clients', 'next clients'],
] as const)('%s is slower: no message is lost, copied or out of order', async (_, slow) => {
  const broker = await createBroker('rabbitmq');
  cleanUp.push(() => broker.delete());
  const paths = { old: await behindProxy(broker.url), next: await behindProxy(broker.url) };
  const relays = { old: await startRelay(paths.old.url), next: await startRelay(paths.next.url) };
  cleanUp.push(() => Promise.all([relays.old.stop(), relays.next.stop()]));
  const fronts = { old: await behindProxy(relays.old.webSocketUrl), next: await behindProxy(relays.next.webSocketUrl) };
  let target = fronts.old.url;
  const topic = `move.${slow?.replace(' ', '-') ?? 'none'}`;
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => openSubscribed(() => target, topic)));
  const [which, what] = (slow?.split(' ') ?? []) as ['old' | 'next', 'broker' | 'clients'] | [];
  if (which) (what === 'broker' ? paths : fronts)[which].proxy.delay(DELAY_MS);
  const publisher = await publishSteadily(broker.url, topic);
  await Promise.all(clients.map(({ inbox }) => inbox.atLeast(10)));
  target = fronts.next.url;
  const stopping = relays.old.stop();
  const hasMoved = ({ sockets }: (typeof clients)[number]): boolean =>
    sockets.length === 2 && sockets[0]!.readyState === WebSocket.CLOSED;
  await eventually(
    () => clients.every(hasMoved) || undefined,
    WAIT_MS,
    () => 'not all clients have moved',
  );
  await stopping;
  const seen = Math.max(...clients.map(({ inbox }) => inbox.all.length));
  await Promise.all(clients.map(({ inbox }) => inbox.atLeast(seen + 25)));
  const count = publisher.stop();
  await Promise.all(clients.map(({ inbox }) => inbox.atLeast(count)));
  const expected = Array.from({ length: count }, (_each, n) => n);
  for (const { inbox, sockets } of clients) {
    expect(inbox.all.map(({ data }) => data)).toEqual(expected);
    expect(sockets).toHaveLength(2);
  }
});
