/**
 * SIGTERM to a relay with sessions: its effects for orchestrators, clients and RabbitMQ. One process and two workers.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { createVhost, rabbitmq } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { isAlive, RelayCli, workersOf } from '../../support/relay-cli.js';
import type { CliProcess } from '../../support/relay-cli.js';
import { connectStomp, frame, openStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { TcpProxy } from '../../support/tcp-proxy.js';

let vhost: Vhost;
let cli: RelayCli;
let relay: CliProcess;
const clients: StompClient[] = [];
const proxies: TcpProxy[] = [];

beforeAll(async () => {
  cli = new RelayCli();
  vhost = await createVhost();
}, 120_000);
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await cli.killAll();
  await Promise.all(proxies.splice(0).map((proxy) => proxy.close()));
});
afterAll(async () => {
  cli.remove();
  await vhost.delete();
});

async function connect(headers: Record<string, string> = {}, url = relay.websocketUrl): Promise<StompClient> {
  const client = await connectStomp(url, headers);
  clients.push(client);
  return client;
}

async function connectMany(count: number): Promise<StompClient[]> {
  const connected: StompClient[] = [];
  while (connected.length < count) connected.push(await connect());
  return connected;
}

async function readyz(): Promise<{ status: number; reason?: string }> {
  const response = await fetch(`${relay.adminUrl}readyz`);
  return { ...((await response.json()) as { reason?: string }), status: response.status };
}

/** Sends SIGTERM and waits until the relay reports that it is stopping. */
async function sigterm(): Promise<void> {
  relay.child.kill('SIGTERM');
  const refusal = await eventually(
    async () => ((await readyz()).status === 503 ? readyz() : undefined),
    10_000,
    () => 'still ready',
  );
  expect(refusal).toMatchObject({ status: 503, reason: 'the relay is stopping' });
}

/** Waits until the port refuses connections: workers stop a moment after the primary, which answers /readyz. */
async function untilRefused(url: string): Promise<void> {
  const refusal = async (): Promise<string | undefined> => {
    try {
      (await openStomp(url)).destroy();
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(await eventually(refusal, 1_000, () => `${url} can still be reached`)).toContain('ECONNREFUSED');
}

async function connectionsToRabbit(): Promise<number> {
  return ((await rabbitmq().api('GET', `/vhosts/${vhost.name}/connections`)) as unknown[]).length;
}

async function untilConnectionsToRabbit(isRight: (count: number) => boolean): Promise<void> {
  let count = 0;
  const look = async (): Promise<true | undefined> =>
    isRight((count = await connectionsToRabbit())) ? true : undefined;
  await eventually(look, 20_000, () => `RabbitMQ has ${count} connections of the relay`);
}

describe.each(['1', '2'])('with --workers %s', (workers) => {
  async function start(...flags: string[]): Promise<void> {
    relay = await cli.start(['--broker', vhost.amqpUrl, '--workers', workers, ...flags]);
  }

  test('after SIGTERM readiness fails at once, new clients are refused, and sessions end one by one; status 0', async () => {
    await start('--drain-rate', '5');
    const all = await connectMany(12);
    await untilConnectionsToRabbit((count) => count > 0);
    const topic = `/topic/drain.${workers}`;
    for (const client of all) await client.receipt('SUBSCRIBE', { id: '0', destination: topic });
    await sigterm();
    const open = all.filter(({ isClosed }) => !isClosed);
    expect(open.length).toBeGreaterThan(6); // most of the drain is still to come
    await untilRefused(relay.websocketUrl);
    await untilRefused(relay.tcpUrl);
    expect((await fetch(`${relay.adminUrl}livez`)).status).toBe(200);
    const last = open.at(-1)!;
    await last.receipt('SEND', { destination: topic }, 'still served');
    expect((await last.expectFrame('MESSAGE')).body.toString()).toBe('still served');
    for (const client of all) await client.expectClose(1012);
    expect(await relay.exited).toBe(0);
    expect(workersOf(relay)).toEqual([]);
    await untilConnectionsToRabbit((count) => count === 0);
  }, 60_000);

  test('after SIGTERM earlier SENDs are confirmed, and unacknowledged messages return to their queue', async () => {
    const proxy = await TcpProxy.start(vhost.amqpUrl);
    proxies.push(proxy);
    relay = await cli.start(['--broker', proxy.url(vhost.amqpUrl), '--workers', workers]);
    const [queue, sent] = [`kept-${workers}`, `sent-${workers}`];
    const consumer = await connect();
    await consumer.receipt('SUBSCRIBE', { id: 'c', destination: `/queue/${queue}`, ack: 'client-individual' });
    const publisher = await connect({}, relay.tcpUrl);
    for (const body of ['a', 'b', 'c']) await publisher.receipt('SEND', { destination: `/queue/${queue}` }, body);
    const [first, , third] = [
      await consumer.expectFrame('MESSAGE'),
      await consumer.expectFrame('MESSAGE'),
      await consumer.expectFrame('MESSAGE'),
    ];
    for (const { headers } of [first, third]) await consumer.receipt('ACK', { id: headers['ack'] ?? '' });

    const sends = Array.from({ length: 200 }, (_, n) =>
      frame('SEND', { destination: `/queue/${sent}`, receipt: String(n) }, `m${n}`),
    );
    await publisher.receipt('SEND', { destination: `/queue/${sent}` }, 'first'); // creates the queue
    proxy.delay(300); // so that no confirm comes before the signal
    publisher.send(Buffer.concat(sends));
    await publisher.receipt('BEGIN', { transaction: 't' }); // frames are handled in order: the SENDs have been read
    relay.child.kill('SIGTERM');
    for (let n = 0; n < 200; n++) await publisher.expectFrame('RECEIPT', { 'receipt-id': String(n) });
    await publisher.expectClose();
    await consumer.expectClose(1012);
    expect(await relay.exited).toBe(0);

    const get = { count: 1000, ackmode: 'ack_requeue_false', encoding: 'auto' };
    const kept = (await vhost.api('POST', `queues/${queue}/get`, get)) as { payload: string; redelivered: boolean }[];
    expect(kept.map(({ payload, redelivered }) => [payload, redelivered])).toEqual([['b', true]]);
    const arrived = (await vhost.api('POST', `queues/${sent}/get`, get)) as { payload: string }[];
    expect(arrived.map(({ payload }) => payload)).toEqual(['first', ...sends.map((_, n) => `m${n}`)]);
  }, 60_000);

  test('a client with the extension drain gets the time to move, and leaves before it is closed', async () => {
    await start('--drain-rate', '5');
    const movers: StompClient[] = [];
    while (movers.length < 6) movers.push(await connect({ 'relay-extensions': 'drain' }));
    relay.child.kill('SIGTERM');
    const requests = await Promise.all(
      movers.map((client) => client.expectFrame('MESSAGE', { subscription: 'relay' })),
    );
    for (const { headers } of requests) {
      expect(headers['destination']).toBe('/relay/drain');
      expect(Number(headers['close-in-ms']) - Number(headers['move-in-ms'])).toBe(5_000);
    }
    const moments = requests.map(({ headers }) => Number(headers['move-in-ms'])).sort((a, b) => a - b);
    expect(moments.at(-1)).toBeGreaterThan(400);
    for (const client of movers) await client.disconnect();
    expect(await relay.exited).toBe(0);
  }, 60_000);

  test('Ctrl-C waits neither for the drain period nor for clients that do not answer; status 0', async () => {
    await start('--drain-rate', '1', '--ready-delay', '10000');
    const movers = [
      await connect({ 'relay-extensions': 'drain' }),
      await connect({ 'relay-extensions': 'drain' }, relay.tcpUrl),
    ];
    const silent = await connect();
    silent.pause();
    relay.child.kill('SIGINT');
    for (const client of movers) {
      const { headers } = await client.expectFrame('MESSAGE', { destination: '/relay/drain' });
      expect(Number(headers['close-in-ms'])).toBeLessThan(800);
      await client.expectClose();
    }
    expect(await relay.exited).toBe(0);
  }, 60_000);

  test('a second signal ends the relay at once, with status 1', async () => {
    await start('--drain-rate', '1');
    const all = await connectMany(10);
    const processes = workersOf(relay);
    await sigterm();
    relay.child.kill('SIGTERM');
    expect(await relay.exited).toBe(1);
    await Promise.all(all.map((client) => client.expectClose()));
    await eventually(
      () => (processes.some(isAlive) ? undefined : true),
      10_000,
      () => 'some workers still run without a primary',
    );
  }, 60_000);

  test('during --ready-delay a stopping relay still accepts clients', async () => {
    await start('--ready-delay', '1500', '--drain-rate', '1');
    await sigterm();
    const late = await connect();
    await late.receipt('SEND', { destination: '/topic/late' });
    await late.expectClose(1012);
    await expect(openStomp(relay.websocketUrl)).rejects.toThrow();
    expect(await relay.exited).toBe(0);
  }, 60_000);
});

test('a single worker that gets SIGTERM drains and is replaced, and the relay stays ready', async () => {
  relay = await cli.start(['--broker', vhost.amqpUrl, '--workers', '2', '--drain-rate', '4']);
  const all = await connectMany(8);
  const [victim = 0] = workersOf(relay);
  process.kill(victim, 'SIGTERM');
  await Promise.race(all.map((client) => client.expectClose(1012)));
  expect((await readyz()).status).toBe(200);
  await connect();
  await eventually(
    () => (isAlive(victim) ? undefined : true),
    10_000,
    () => 'the worker has not ended',
  );
  const closed = () => all.filter(({ isClosed }) => isClosed).length;
  await eventually(
    () => (closed() === 4 ? true : undefined),
    10_000,
    () => `${closed()} of 8 clients are closed`,
  );
  await eventually(
    async () => (JSON.stringify(await readyz()).includes('"listening":2') ? true : undefined),
    30_000,
    () => 'the worker has not been replaced',
  );
}, 60_000);
