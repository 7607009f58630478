/** Two relays with one RabbitMQ: messages on their way while a relay stops, or while a connection breaks. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { createClient } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Balancer } from '../../support/balancer.js';
import { eventually } from '../../support/deadline.js';
import { provideRabbit } from '../../support/rabbitmq-provider.js';
import type { Provided } from '../../support/rabbitmq-provider.js';
import { createVhost } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import type { RelayProcess } from '../relay-process.js';
import { sessionsOf, Stage } from './stage.js';
import type { Tab } from './tab.js';

let rabbit: Provided;
let vhost: Vhost;
let stage: Stage;
let relays: [RelayProcess, RelayProcess];
/** Resources that a test has opened. */
const opened: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  process.env['RELAY_TEST_RUN'] ??= `relay-test-${randomBytes(4).toString('hex')}`;
  rabbit = await provideRabbit(process.env['RELAY_TEST_RUN']);
  vhost = await createVhost(rabbit);
  stage = await Stage.start();
  const start = () => stage.startRelay('--broker', vhost.amqpUrl);
  relays = [await start(), await start()];
}, 120_000);
afterAll(async () => {
  const broker = vhost.delete().finally(() => rabbit.stop());
  await Promise.all([broker, stage.clear().finally(() => stage.close())]);
}, 60_000);

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
});

async function subscribedTab(url: string): Promise<Tab> {
  const tab = await stage.openTab();
  await tab.page.evaluate((given) => {
    window.sdk.create({ url: given, reconnectMinMs: 100 });
    window.sdk.subscribe('/topic/data');
  }, url);
  await tab.subscribed('/topic/data');
  return tab;
}

test('a publish whose confirm is lost is sent again, and delivered once', async () => {
  const proxy = await TcpProxy.start(relays[0].websocketUrl);
  opened.push(proxy);
  const sender = await subscribedTab(proxy.url(relays[0].websocketUrl));
  const receiver = await subscribedTab(relays[1].websocketUrl);
  proxy.hold('answers');
  await sender.page.evaluate(() => window.sdk.publish('/topic/data', 'hello'));
  expect(await receiver.messages('/topic/data', 1)).toEqual(['hello']);
  expect(sender.reports('publish').all).toEqual([]);

  proxy.drop();
  proxy.restore();
  expect((await sender.reports('publish').next()).outcome).toBe('confirmed');
  await sender.page.evaluate(() => window.sdk.publish('/topic/data', 'once'));
  expect(await receiver.messages('/topic/data', 2)).toEqual(['hello', 'once']);
  // The relay delivered it twice; the SDK recognised the repetition
  const deliveries = receiver.frames.filter(({ command, text }) => command === 'MESSAGE' && text.includes('hello'));
  expect(deliveries).toHaveLength(2);
});

test('when a relay stops, its tabs move to the other one, and no message is lost', async () => {
  const balancer = await Balancer.start(relays.map(backend));
  opened.push(balancer);
  await eventually(
    () => balancer.readyCount === 2 || undefined,
    10_000,
    () => 'the relays are not ready',
  );
  const tab = await subscribedTab(`ws://127.0.0.1:${balancer.port}/ws`);
  const [stopping, staying] = (await sessionsOf(relays[0])).length > 0 ? relays : [relays[1], relays[0]];

  const publisher = createClient({ url: staying.websocketUrl, createWebSocket });
  opened.push(publisher);
  let published = 0;
  const publishNext = () => publisher.publish('/topic/data', published++);
  await publishNext();
  await tab.messages('/topic/data', 1);
  const stopped = stopping.stop('SIGTERM');
  await meanwhile(
    tab.socketEvents.until((events) => events.includes('closed')),
    publishNext,
  );
  expect(await stopped).toBe(0);
  await publishNext();

  const numbers = Array.from({ length: published }, (_, index) => index);
  const messages = (await tab.messages('/topic/data', published)) as number[];
  expect(messages.sort((a, b) => a - b)).toEqual(numbers);
  expect(tab.reports('state').all.map(({ name }) => name)).not.toContain('waiting');
});

/** Repeats `action` until `end`. */
async function meanwhile(end: Promise<unknown>, action: () => Promise<void>): Promise<void> {
  let isOver = false;
  const over = end.finally(() => (isOver = true));
  while (!isOver) await action();
  await over;
}

const backend = ({ port, adminUrl }: RelayProcess) => ({
  port: Number(port),
  adminPort: Number(new URL(adminUrl).port),
});

const createWebSocket = (url: string, protocols: string[]) =>
  new WebSocket(url, protocols) as unknown as globalThis.WebSocket;
