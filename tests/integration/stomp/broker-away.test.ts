/** RabbitMQ is cut off, frozen or down: sessions stay open, and every SEND gets a true answer. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../../support/deadline.js';
import { createVhost } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { connectStomp, frame } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { TcpProxy } from '../../support/tcp-proxy.js';
import { unique } from './relay-stage.js';

let vhost: Vhost;
let backend: amqp.ChannelModel;
let proxy: TcpProxy;
let relay: TestRelay;
let clients: StompClient[];
beforeAll(async () => {
  vhost = await createVhost();
  backend = await amqp.connect(vhost.amqpUrl);
}, 60_000);
afterAll(async () => {
  await backend.close();
  await vhost.delete();
});
beforeEach(async () => {
  clients = [];
  proxy = await TcpProxy.start(vhost.amqpUrl);
});
afterEach(async () => {
  clients.forEach((client) => client.destroy());
  proxy.restore();
  await relay.stop();
  await proxy.close();
}, 60_000);

async function start(rabbitmq: { publishTimeoutMs?: number; heartbeatSeconds?: number } = {}): Promise<void> {
  relay = await startRelay(proxy.url(vhost.amqpUrl), {
    rabbitmq: { reconnectMinMs: 20, reconnectMaxMs: 200, connectTimeoutMs: 1_000, ...rabbitmq },
    // Clients run in this process too and cannot read while the relay writes 45 MB of delayed messages
    session: { outboxMaxBytes: 64 * 1024 * 1024 },
  });
}

async function connect(headers: Record<string, string> = {}): Promise<StompClient> {
  const client = await connectStomp(relay.tcpUrl, { 'heart-beat': '0,0', ...headers });
  clients.push(client);
  return client;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${relay.adminUrl}metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`stomp_relay_${name}`));
  return Number(line?.split(' ').at(-1) ?? 0);
}

async function brokerIs(up: 0 | 1): Promise<void> {
  const look = async (): Promise<true | undefined> => ((await metric('broker_up')) === up ? true : undefined);
  await eventually(look, 15_000, () => `broker_up is not ${up}`);
}

describe('a broker that is frozen', () => {
  test('while RabbitMQ is frozen, a fast sender is no longer read and other clients are; later all its messages arrive in order', async () => {
    await start({ publishTimeoutMs: 60_000, heartbeatSeconds: 60 });
    const [topic, count] = [`/topic/${unique()}`, 40_000];
    const [sender, receiver, bystander] = [await connect(), await connect(), await connect()];
    await receiver.receipt('SUBSCRIBE', { id: 's', destination: topic });
    proxy.hold();
    const filler = 'x'.repeat(1_000);
    for (let i = 0; i < count; i += 100) {
      const frames = Array.from({ length: 100 }, (_, j) => {
        const receipt = i + j === count - 1 ? { receipt: 'last' } : {};
        return frame('SEND', { destination: topic, n: String(i + j), ...receipt }, filler);
      });
      sender.send(Buffer.concat(frames));
    }
    // Wait until the relay has stopped reading
    const seen: number[] = [];
    const read = await eventually(
      async () => {
        seen.push(await metric('frames_received_total{command="SEND"}'));
        const last = seen.slice(-8);
        return last.length === 8 && last[0]! > 0 && last.every((each) => each === last[0]) ? last[0] : undefined;
      },
      20_000,
      () => `SENDs read so far: ${seen.at(-1)}`,
    );
    // unconfirmedMaxCount, and twice sendQueueMaxCount
    expect(read).toBeLessThan(1_000 + 2 * 1_000 + 100);
    await bystander.receipt('BEGIN', { transaction: 't' });
    proxy.restore();
    await sender.take((each) => each.command === 'RECEIPT', 'the last RECEIPT', 60_000);
    for (let i = 0; i < count; i++) expect((await receiver.expectFrame('MESSAGE')).headers['n']).toBe(String(i));
  }, 120_000);
});

describe('a broker that is away', () => {
  test('while RabbitMQ is away, sessions stay open and SENDs wait; they are confirmed on its return, before later SENDs', async () => {
    await start();
    const queue = `/queue/${unique()}`;
    const [client, listener] = [await connect(), await connect()];
    await listener.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client' });
    proxy.cut();
    await brokerIs(0);
    for (const receipt of ['a', 'b']) client.sendFrame('SEND', { destination: queue, receipt }, receipt);
    // Frames that do not need the broker are handled
    await listener.receipt('BEGIN', { transaction: 't' });
    expect(client.received()).toEqual([]);
    proxy.restore();
    for (const id of ['a', 'b']) await client.expectFrame('RECEIPT', { 'receipt-id': id });
    await client.receipt('SEND', { destination: queue }, 'c');
    const first = await listener.expectFrame('MESSAGE');
    const bodies = [first.body.toString()];
    while (bodies.length < 3) bodies.push((await listener.expectFrame('MESSAGE')).body.toString());
    expect(bodies).toEqual(['a', 'b', 'c']);
  }, 30_000);

  test('after publishTimeoutMs a SEND gets an ERROR with code and receipt-id, or a report with soft-errors', async () => {
    await start({ publishTimeoutMs: 500 });
    const destination = `/topic/${unique()}`;
    const [plain, soft] = [await connect(), await connect({ 'relay-extensions': 'soft-errors' })];
    proxy.cut();
    await brokerIs(0);
    plain.sendFrame('SEND', { destination, receipt: 'r' }, 'x');
    soft.sendFrame('SEND', { destination, receipt: 'r' }, 'x');
    await plain.expectError({ code: 'broker-unavailable', 'receipt-id': 'r' });
    await soft.expectFrame('MESSAGE', { destination: '/relay/errors', code: 'broker-unavailable', 'receipt-id': 'r' });
    soft.sendFrame('SUBSCRIBE', { id: 's', destination, receipt: 'r2' });
    await soft.expectFrame('MESSAGE', { code: 'broker-unavailable', 'receipt-id': 'r2', 'refused-id': 's' });
    proxy.restore();
    await brokerIs(1);
    await soft.receipt('SUBSCRIBE', { id: 's', destination });
    await soft.receipt('SEND', { destination }, 'y');
    expect((await soft.expectFrame('MESSAGE', { subscription: 's' })).body.toString()).toBe('y');
  }, 30_000);
});

describe('the answer to a SEND', () => {
  test('a confirmed, a refused, an unroutable and a misdirected SEND each get one answer', async () => {
    await start();
    const [full, missing] = [unique('full'), unique('missing')];
    const channel = await backend.createChannel();
    await channel.assertQueue(full, { arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish' } });
    const client = await connect({ 'relay-extensions': 'soft-errors' });
    const send = (destination: string, receipt: string, more: Record<string, string> = {}) =>
      client.sendFrame('SEND', { destination, receipt, ...more }, receipt);
    send(`/amq/queue/${full}`, 'stored');
    await client.expectFrame('RECEIPT', { 'receipt-id': 'stored' });
    send(`/amq/queue/${full}`, 'nacked');
    await client.expectFrame('MESSAGE', { code: 'publish-refused', 'receipt-id': 'nacked' });
    send(`/topic/${missing}`, 'unroutable', { mandatory: 'true' });
    await client.expectFrame('MESSAGE', { code: 'unroutable', 'receipt-id': 'unroutable' });
    send(`/exchange/${missing}/k`, 'missing');
    await client.expectFrame('MESSAGE', { code: 'exchange-not-found', 'receipt-id': 'missing' });
    send(`/topic/${missing}`, 'no subscriber');
    await client.expectFrame('RECEIPT', { 'receipt-id': 'no subscriber' });
    expect(client.received()).toEqual([]);
    await channel.deleteQueue(full);
    await channel.close();
  }, 30_000);

  test('the subscriber of an exchange that is deleted gets subscription-ended', async () => {
    await start({ publishTimeoutMs: 1_000 });
    const exchange = unique('exchange');
    const channel = await backend.createChannel();
    await channel.assertExchange(exchange, 'fanout');
    const [plain, soft] = [await connect(), await connect({ 'relay-extensions': 'soft-errors' })];
    const destination = `/exchange/${exchange}`;
    for (const client of [plain, soft]) await client.receipt('SUBSCRIBE', { id: 's', destination });
    await channel.deleteExchange(exchange);
    proxy.reset();
    await plain.expectError({ code: 'subscription-ended' });
    await soft.expectFrame('MESSAGE', { code: 'subscription-ended', 'refused-id': 's' });
    await channel.assertExchange(exchange, 'fanout');
    await soft.receipt('SUBSCRIBE', { id: 's', destination });
    await channel.deleteExchange(exchange);
    await channel.close();
  }, 30_000);
});
