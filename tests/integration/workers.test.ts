/** Several worker processes behind one port, which act as one relay for clients and Prometheus. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { isAlive, RelayCli, workersOf } from '../support/relay-cli.js';
import type { CliProcess } from '../support/relay-cli.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

let vhost: Vhost;
let cli: RelayCli;
const clients: StompClient[] = [];

beforeAll(async () => {
  cli = new RelayCli();
  folder = mkdtempSync(path.join(tmpdir(), 'workers-'));
  vhost = await createVhost();
}, 120_000);
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await cli.killAll();
});
afterAll(async () => {
  cli.remove();
  rmSync(folder, { recursive: true });
  await vhost.delete();
});

/** Makes a signal crash the process like an error in the program. */
const CRASH_ON_SIGNAL = `--import=data:text/javascript,process.on('SIGUSR2',()=>{throw(new(Error)('planted'))})`;

/** Makes a signal block the event loop: SIGUSR2 for three seconds, SIGXCPU for good. */
const BLOCK_ON_SIGNAL =
  `--import=data:text/javascript,for(const[s,ms]of[['SIGUSR2',3000],['SIGXCPU',1e9]])` +
  `process.on(s,()=>Atomics.wait(new(Int32Array)(new(SharedArrayBuffer)(4)),0,0,ms))`;

let folder: string;
let logged: string[];

function start(environment: NodeJS.ProcessEnv = {}, options: object = {}): Promise<CliProcess> {
  const config = path.join(folder, 'relay.yaml');
  writeFileSync(config, JSON.stringify(options));
  logged = [];
  const flags = ['--broker', vhost.amqpUrl, '--workers', '2', '--config', config, '--log-level', 'error'];
  return cli.start(flags, environment, { log: (line) => logged.push(line) });
}

async function connect(url: string): Promise<StompClient> {
  const client = await connectStomp(url);
  clients.push(client);
  return client;
}

/** Connects one client after the other: the workers take turns, so each gets some. */
async function connectAll(urls: readonly string[]): Promise<StompClient[]> {
  const connected: StompClient[] = [];
  for (const url of urls) connected.push(await connect(url));
  return connected;
}

async function readyz({ adminUrl }: CliProcess): Promise<unknown> {
  const response = await fetch(`${adminUrl}readyz`);
  return { code: response.status, ...((await response.json()) as object) };
}

async function metric({ adminUrl }: CliProcess, name: string): Promise<number> {
  const text = await (await fetch(`${adminUrl}metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length));
}

test('messages reach the clients of all workers, and the metrics are sums', async () => {
  const running = await start();
  expect(await readyz(running)).toEqual({ code: 200, status: 'ready', workers: { listening: 2, of: 2 } });

  const [four, fourOnTcp] = [running.websocketUrl, running.tcpUrl].map((url) => new Array<string>(4).fill(url));
  const subscribers = await connectAll([...(four ?? []), ...(fourOnTcp ?? [])]);
  await Promise.all(subscribers.map((each) => each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/workers' })));
  // One binding per worker, as both have subscribers
  const bindings = (await vhost.api('GET', 'bindings')) as { source: string; routing_key: string }[];
  expect(bindings.filter(({ source, routing_key: key }) => source === 'amq.topic' && key === 'workers')).toHaveLength(
    2,
  );

  await subscribers[0]?.receipt('SEND', { destination: '/topic/workers', 'content-type': 'text/plain' }, 'to all');
  for (const each of subscribers.slice(1)) {
    expect((await each.expectFrame('MESSAGE')).body.toString()).toBe('to all');
  }
  expect(await metric(running, 'stomp_relay_sessions')).toBe(8);
  expect(await metric(running, 'stomp_relay_messages_delivered_total')).toBe(8);
  expect(await metric(running, 'stomp_relay_frames_received_total{command="SUBSCRIBE"}')).toBe(8);
}, 60_000);

test('the admin API lists, kicks and revokes the sessions of all workers', async () => {
  const running = await start();
  const api = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> => {
    const response = await fetch(`${running.adminUrl}api/${path}`, init);
    expect([path, response.status]).toEqual([path, 200]);
    return (await response.json()) as Record<string, unknown>;
  };
  const login = async (name: string): Promise<StompClient> => {
    const client = await connectStomp(running.websocketUrl, { login: name });
    clients.push(client);
    return client;
  };
  const ann: StompClient[] = [];
  for (let i = 0; i < 6; i++) ann.push(await login('ann'));
  const bob = await login('bob');
  await Promise.all(ann.map((each) => each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/#' })));
  // Page by page, over all workers
  const ids: string[] = [];
  for (let after: string | undefined = ''; after !== undefined;) {
    const page = await api(`sessions?user=ann&limit=2&after=${after}`);
    ids.push(...(page['sessions'] as { id: string }[]).map(({ id }) => id));
    after = page['next'] as string | undefined;
  }
  expect(ids).toEqual(ann.map(({ connected }) => connected?.headers['session']).sort());
  expect(await api('subscriptions')).toEqual({ destinations: [{ destination: '/topic/#', subscriptionCount: 6 }] });

  // At least one session of each worker, as they take turns
  for (const each of ann.splice(0, 2)) {
    const id = each.connected?.headers['session'] ?? '';
    expect(await api(`sessions/${id}`)).toMatchObject({ id, user: 'ann' });
    expect(await api(`sessions/${id}`, { method: 'DELETE' })).toMatchObject({ kicked: { id, user: 'ann' } });
    await each.expectFrame('ERROR', { code: 'kicked' });
  }

  const body = JSON.stringify({ user: 'ann', reason: 'has left' });
  const headers = { 'content-type': 'application/json' };
  const revoked = await api('revocations', { method: 'POST', headers, body });
  expect(revoked).toMatchObject({ user: 'ann', sessionsEnded: 4, othersTold: true });
  for (const each of ann) await each.expectFrame('ERROR', { code: 'revoked' });
  expect(await api('revocations')).toEqual({
    revocations: [{ user: 'ann', revokedAtMs: revoked['revokedAtMs'], reason: 'has left' }],
  });
  await bob.receipt('SUBSCRIBE', { id: '0', destination: '/topic/after' });
}, 60_000);

test('a worker that does not answer is reported, and does not block the admin API', async () => {
  const running = await start({}, { workerTimeoutMs: 60_000 });
  await connectAll(new Array<string>(4).fill(running.websocketUrl));
  const [frozen = 0] = workersOf(running);
  process.kill(frozen, 'SIGSTOP');
  try {
    const response = await fetch(`${running.adminUrl}api/sessions`);
    const { sessions, unanswered } = (await response.json()) as { sessions: unknown[]; unanswered: number[] };
    expect(unanswered).toHaveLength(1);
    expect(sessions).toHaveLength(2);
    const unknown = await fetch(`${running.adminUrl}api/sessions/unknown`);
    expect([unknown.status, await unknown.json()]).toMatchObject([503, { code: 'workers-silent' }]);
  } finally {
    process.kill(frozen, 'SIGCONT');
  }
}, 60_000);

test('a killed worker is replaced, without an effect on the clients of the other', async () => {
  const running = await start();
  const before = await connectAll(new Array<string>(6).fill(running.websocketUrl));
  const [victim = 0] = workersOf(running);
  process.kill(victim, 'SIGKILL');

  const counts = await eventually(
    async () => ((await metric(running, 'stomp_relay_workers_replaced_total')) === 1 ? workersOf(running) : undefined),
    20_000,
    () => 'the relay has not noticed the loss of a worker',
  );
  expect(counts).not.toContain(victim);
  await eventually(
    async () => (JSON.stringify(await readyz(running)).includes('"listening":2') ? true : undefined),
    20_000,
    () => 'the killed worker has not been replaced',
  );
  const left = await metric(running, 'stomp_relay_sessions');
  expect([1, 2, 3, 4, 5]).toContain(left);
  await eventually(
    () => (before.filter(({ isClosed }) => !isClosed).length === left ? true : undefined),
    10_000,
    () => 'the connections of the killed worker are still open',
  );
  const after = await connectAll(new Array<string>(4).fill(running.websocketUrl));
  for (const each of [...before.filter(({ isClosed }) => !isClosed), ...after]) {
    await each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/after' });
  }
  expect(await metric(running, 'stomp_relay_sessions')).toBe(left + 4);
}, 60_000);

test.each(['SIGSTOP', 'SIGXCPU'] as const)(
  'a worker that hangs (%s) is not counted, is killed and is replaced',
  async (signal) => {
    const running = await start({ NODE_OPTIONS: BLOCK_ON_SIGNAL }, { workerTimeoutMs: 6_000 });
    const before = await connectAll(new Array<string>(4).fill(running.websocketUrl));
    const [victim = 0, other = 0] = workersOf(running);
    process.kill(victim, signal);
    await eventually(
      async () => (JSON.stringify(await readyz(running)).includes('"listening":1') ? true : undefined),
      20_000,
      () => 'the worker that hangs still counts',
    );
    await eventually(
      async () => ((await metric(running, 'stomp_relay_workers')) === 2 ? true : undefined),
      30_000,
      () => 'the worker that hangs has not been replaced',
    );
    expect(workersOf(running)).toContain(other);
    expect(workersOf(running)).not.toContain(victim);
    expect(logged.join('\n')).toContain('no answer for 6000 ms');
    expect(before.filter(({ isClosed }) => !isClosed)).toHaveLength(2);
    const after = await connectAll(new Array<string>(4).fill(running.websocketUrl));
    for (const each of after) await each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/after' });
  },
  60_000,
);

test('a worker that is busy for less than workerTimeoutMs stays', async () => {
  const running = await start({ NODE_OPTIONS: BLOCK_ON_SIGNAL }, { workerTimeoutMs: 6_000 });
  const clients = await connectAll(new Array<string>(4).fill(running.websocketUrl));
  const workers = workersOf(running);
  for (const worker of workers) process.kill(worker, 'SIGUSR2');
  for (const each of clients) await each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/busy' });
  expect(workersOf(running)).toEqual(workers);
  expect(await metric(running, 'stomp_relay_workers_replaced_total')).toBe(0);
}, 60_000);

test('a worker that fails closes its sessions with 1012 and is replaced', async () => {
  const running = await start({ NODE_OPTIONS: CRASH_ON_SIGNAL });
  const before = await connectAll(new Array<string>(6).fill(running.websocketUrl));
  const [victim = 0] = workersOf(running);
  process.kill(victim, 'SIGUSR2');
  await eventually(
    async () => ((await metric(running, 'stomp_relay_workers_replaced_total')) === 1 ? true : undefined),
    20_000,
    () => 'the worker did not end',
  );
  const left = await metric(running, 'stomp_relay_sessions');
  const ended = await eventually(
    () => {
      const closed = before.filter(({ isClosed }) => isClosed);
      return closed.length === 6 - left ? closed : undefined;
    },
    10_000,
    () => 'the connections of the failed worker are still open',
  );
  expect(ended.length).toBeGreaterThan(0);
  for (const each of ended) expect((await each.expectClose()).code).toBe(1012);
}, 60_000);

test('workers end when the primary is killed', async () => {
  const running = await start();
  const workers = workersOf(running);
  running.child.kill('SIGKILL');
  await eventually(
    () => (workers.some(isAlive) ? undefined : true),
    10_000,
    () => 'some workers still run without a primary',
  );
}, 60_000);
