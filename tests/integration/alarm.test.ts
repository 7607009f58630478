/** RabbitMQ is short of memory: everything waits, nothing ends, and clients that asked for it get a notice. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { privateNode } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { metric, post } from './http/http-client.js';
import { bodiesUntilNow, unique } from './stomp/relay-stage.js';

const PUBLISH_TIMEOUT_MS = 1_500;

let node: RabbitNode;
let relay: TestRelay;
const clients: StompClient[] = [];
beforeAll(async () => {
  node = await privateNode();
}, 240_000);
afterAll(() => node.stop(), 60_000);
afterEach(async () => {
  await node.ctl('set_vm_memory_high_watermark', '0.4');
  for (const client of clients.splice(0)) client.destroy();
  await relay.stop();
}, 60_000);

async function start(rabbitmq: { blockedTimeoutMs?: number } = {}): Promise<void> {
  relay = await startRelay(node.amqpUrl, { rabbitmq: { publishTimeoutMs: PUBLISH_TIMEOUT_MS, ...rabbitmq } });
}

async function connect(headers: Record<string, string> = {}): Promise<StompClient> {
  const client = await connectStomp(relay.tcpUrl, { 'heart-beat': '0,0', ...headers });
  clients.push(client);
  return client;
}

/** Begins an alarm. It reaches the relay with the first message after it, which `sender` sends. */
async function alarm(sender: StompClient, headers: Record<string, string>): Promise<void> {
  await node.ctl('set_vm_memory_high_watermark', '0.0000001');
  sender.sendFrame('SEND', headers, 'first');
  await eventually(
    async () => ((await metric(relay, 'broker_blocked')) === 1 ? true : undefined),
    15_000,
    () => 'RabbitMQ does not block the relay',
  );
}

test('SENDs wait for the end of the alarm, HTTP gets 503 before, and a client with `blocked` gets notices', async () => {
  await start();
  const topic = `/topic/${unique()}`;
  const [sender, subscriber] = [await connect(), await connect({ 'relay-extensions': 'blocked,soft-errors' })];
  await subscriber.receipt('SUBSCRIBE', { id: 's', destination: topic });
  await alarm(sender, { destination: topic, receipt: '0' });
  await subscriber.expectFrame('MESSAGE', { destination: '/relay/blocked', reason: 'low on memory' });
  for (let n = 1; n <= 20; n++) sender.sendFrame('SEND', { destination: topic, receipt: String(n) }, String(n));
  // Each answer takes publishTimeoutMs. A SEND that did not wait longer would be refused meanwhile
  for (let n = 0; n < 2; n++) {
    const { status, headers, body } = await post(relay, { destination: topic, body: 'over HTTP' });
    expect({ status, body }).toMatchObject({ status: 503, body: { code: 'broker-unavailable' } });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  }
  const late = await connect({ 'relay-extensions': 'blocked' });
  await late.expectFrame('MESSAGE', { destination: '/relay/blocked' });
  await node.ctl('set_vm_memory_high_watermark', '0.4');
  for (let n = 0; n <= 20; n++) await sender.expectFrame('RECEIPT', { 'receipt-id': String(n) });
  await late.expectFrame('MESSAGE', { destination: '/relay/unblocked' });
  const bodies = await bodiesUntilNow(subscriber);
  const ofSends = bodies.filter((body) => /^(first|\d+)$/.test(body));
  expect(ofSends).toEqual(['first', ...Array.from({ length: 20 }, (_, n) => String(n + 1))]);
  expect(await metric(relay, 'broker_alarms_total')).toBeGreaterThan(0);
  expect(await metric(relay, 'broker_blocked')).toBe(0);
}, 60_000);

test('a SEND is refused after publishTimeoutMs and blockedTimeoutMs', async () => {
  await start({ blockedTimeoutMs: 500 });
  const destination = `/topic/${unique()}`;
  const client = await connect();
  await alarm(client, { destination });
  const second = await connect();
  second.sendFrame('SEND', { destination, receipt: 'r' }, 'second');
  await second.expectError({ code: 'broker-unavailable', 'receipt-id': 'r' });
}, 60_000);
