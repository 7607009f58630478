/**
 * The memory budget of a relay process, beside healthy clients: sessions with full transactions, half-sent SENDs over
 * both transports, one SEND to a session with hundreds of subscriptions, clients that do not read, and HTTP bodies that
 * do not end. The relay is a process of its own, so that its memory can be seen. It has each broker, and TLS.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { ClientRequest } from 'node:http';
import { request as requestTls } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { TestAuthority } from '../support/certificates.js';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import type { CliProcess } from '../support/relay-cli.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { OpenOptions, StompClient } from '../support/stomp-client.js';

const MIB = 1024 * 1024;
const BUDGET_BYTES = 96 * MIB;
/** Node itself, the sockets of the clients, and garbage come on top of the budget. */
const REST_BYTES = 250 * MIB;
const HEALTHY = 40;
const ROUNDS = 8;

const OPTIONS = `
memoryMaxBytes: ${BUDGET_BYTES}
websocket: { deflate: true }
session: { frameTimeoutMs: 6000 }
`;

let cli: RelayCli;
let authority: TestAuthority;
let vhost: Vhost;
beforeAll(async () => {
  cli = new RelayCli();
  authority = await TestAuthority.create();
  vhost = await createVhost();
}, 120_000);
afterAll(async () => {
  cli.remove();
  authority.remove();
  await vhost.delete();
});

const SETTINGS = {
  'the embedded broker': () => Promise.resolve([]),
  RabbitMQ: () => Promise.resolve(['--broker', vhost.amqpUrl]),
  TLS: async () => {
    const { certFile, keyFile } = await authority.issueFiles();
    return ['--tls-cert', certFile, '--tls-key', keyFile];
  },
} satisfies Record<string, () => Promise<string[]>>;
type Setting = keyof typeof SETTINGS;

let relay: CliProcess;
let clients: StompClient[];
let requests: ClientRequest[];
const file = path.join(tmpdir(), `memory-budget-${process.pid}.yaml`);
beforeEach(() => {
  clients = [];
  requests = [];
  writeFileSync(file, OPTIONS);
});
async function start(setting: Setting): Promise<void> {
  relay = await cli.start(['--config', file, ...(await SETTINGS[setting]())]);
}
afterEach(async () => {
  for (const client of clients) client.destroy();
  for (const each of requests) each.destroy();
  await cli.killAll();
  rmSync(file);
});

async function connect(url: string, options?: OpenOptions): Promise<StompClient> {
  const client = await connectStomp(url, {}, { ca: authority.ca, ...options });
  clients.push(client);
  return client;
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', relay.adminUrl))).text();
  const line = text.split('\n').find((each) => each.startsWith(`stomp_relay_${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

/** Resolves with the sum of the metrics when it is high enough. */
function untilMetrics(names: readonly string[], least: number): Promise<number> {
  const enough = async (): Promise<number | undefined> => {
    const values = await Promise.all(names.map(metric));
    const sum = values.reduce((a, b) => a + b, 0);
    return sum >= least ? sum : undefined;
  };
  return eventually(enough, 20_000, () => `${names.join(' and ')} did not reach ${least}`);
}

const untilMetric = (name: string, least: number): Promise<number> => untilMetrics([name], least);

/** The largest size of the process so far. */
function peakBytes(): number {
  const [, kib] = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${relay.child.pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

const urls = (): string[] => [relay.websocketUrl, relay.tcpUrl];

/** Each sends to its own topic; every SEND is confirmed and its message arrives. */
class Healthy {
  private constructor(private readonly all: readonly StompClient[]) {}

  static async connect(): Promise<Healthy> {
    const all = await Promise.all(Array.from({ length: HEALTHY }, (_, index) => connect(urls()[index % 2]!)));
    await Promise.all(
      all.map((each, index) => each.receipt('SUBSCRIBE', { id: 's', destination: `/topic/h.${index}` })),
    );
    return new Healthy(all);
  }

  async exchange(body: string): Promise<void> {
    const exchanges = this.all.map(async (each, index) => {
      await each.receipt('SEND', { destination: `/topic/h.${index}` }, body);
      const message = await each.take(({ command }) => command === 'MESSAGE', 'MESSAGE');
      expect(message.body.toString()).toBe(body);
    });
    await Promise.all(exchanges);
  }

  get closed(): number {
    return this.all.filter(({ isClosed }) => isClosed).length;
  }
}

async function fillTransactions(): Promise<void> {
  const client = await connect(relay.tcpUrl);
  const body = Buffer.alloc(MIB - 1024, 'x');
  for (let number = 0; number < 16; number++) {
    client.sendFrame('BEGIN', { transaction: `t${number}` });
    client.send(frame('SEND', { destination: '/topic/none', transaction: `t${number}` }, body));
  }
}

async function sendHalf(url: string): Promise<StompClient> {
  const client = await connect(url);
  const headers = { destination: '/topic/none', 'content-length': `${4 * MIB}` };
  client.send(frame('SEND', headers, Buffer.alloc(4 * MIB - 1024, 'x')).subarray(0, -1));
  return client;
}

/** Hundreds of subscriptions with permessage-deflate, where clients share no bytes. */
async function subscribeOften(): Promise<void> {
  const client = await connect(relay.websocketUrl, { perMessageDeflate: true });
  for (let id = 0; id < 900; id++) client.sendFrame('SUBSCRIBE', { id: `s${id}`, destination: '/topic/copies' });
  await client.receipt('SUBSCRIBE', { id: 'last', destination: '/topic/copies' });
  client.pause();
}

async function stopReading(name: string): Promise<void> {
  const client = await connect(relay.tcpUrl);
  await client.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${name}` });
  client.pause();
  const sender = await connect(relay.tcpUrl);
  for (let i = 0; i < 12; i++) sender.send(frame('SEND', { destination: `/topic/${name}` }, Buffer.alloc(MIB, 'y')));
}

function beginRequest(): void {
  const url = new URL('/api/messages', relay.websocketUrl.replace('ws', 'http'));
  const options = { method: 'POST', ca: authority.ca };
  const headers = { 'content-type': 'application/json', 'content-length': MIB };
  const begun = (url.protocol === 'https:' ? requestTls : request)(url, { ...options, headers }).on(
    'error',
    () => undefined,
  );
  begun.write(Buffer.alloc(MIB - 1024, '"'));
  requests.push(begun);
}

describe.each(Object.keys(SETTINGS) as Setting[])('with %s', (setting) => {
  beforeEach(() => start(setting));

  test('many clients that fill the memory end, and healthy clients notice nothing', async () => {
    const healthy = await Healthy.connect();
    await healthy.exchange('calm');
    await subscribeOften();
    const attacks: Promise<unknown>[] = [];
    for (let i = 0; i < 6; i++) attacks.push(fillTransactions(), stopReading(`slow.${i}`));
    for (let i = 0; i < 20; i++) attacks.push(...urls().map(sendHalf));
    for (let i = 0; i < 40; i++) beginRequest();
    const sender = await connect(relay.tcpUrl);
    sender.send(frame('SEND', { destination: '/topic/copies' }, Buffer.alloc(4 * MIB - 1024, 'z')));
    for (let round = 0; round < ROUNDS; round++) await healthy.exchange(`round ${round}`);
    await Promise.all(attacks);
    // Clients that do not read end for lack of memory, or by the limit of their own output, whichever comes first
    await untilMetrics(['memory_ended_total', 'errors_total{code="slow-consumer"}'], 6);
    await healthy.exchange('afterwards');
    expect(healthy.closed).toBe(0);
    expect(await metric('memory_allowed_bytes')).toBe(BUDGET_BYTES);
    expect(peakBytes()).toBeLessThan(BUDGET_BYTES + REST_BYTES);
  }, 60_000);
});

test('a client whose frame stalls ends with frame-timeout, over both transports', async () => {
  await start('the embedded broker');
  const halves = await Promise.all(urls().map(sendHalf));
  for (const half of halves) await half.expectError({ code: 'frame-timeout' });
}, 30_000);

test('a client that is ended for lack of memory gets memory-exhausted', async () => {
  await start('the embedded broker');
  const halves = await Promise.all(Array.from({ length: 30 }, () => sendHalf(relay.tcpUrl)));
  await untilMetric('memory_ended_total', 1);
  const ended = await eventually(
    () => Promise.resolve(halves.find(({ isClosed }) => isClosed)),
    10_000,
    () => 'no client is closed',
  );
  await ended.expectError({ code: 'memory-exhausted' });
}, 30_000);
