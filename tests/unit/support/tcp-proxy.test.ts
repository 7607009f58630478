/** The proxy that tests use to inject faults. */
import { once } from 'node:events';
import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { TcpProxy } from '../../support/tcp-proxy.js';

/** One end of a connection, with the events that it has seen. */
class End {
  readonly events: string[] = [];
  constructor(readonly socket: net.Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (text) => this.events.push(String(text)));
    socket.on('end', () => this.events.push('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.events.push(error.code ?? 'error'));
    socket.on('close', () => this.events.push('close'));
  }

  /** Resolves with all events as one text, once it contains `part`. */
  async until(part: string): Promise<string> {
    while (!this.events.join(' ').includes(part)) await new Promise((resolve) => setImmediate(resolve));
    return this.events.join(' ');
  }
}

let listener: net.Server;
let proxy: TcpProxy;
let ends: net.Socket[];
beforeEach(async () => {
  ends = [];
  listener = net.createServer({ allowHalfOpen: true }, (socket) => ends.push(socket));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  proxy = await TcpProxy.start(`tcp://127.0.0.1:${(listener.address() as AddressInfo).port}`);
});
afterEach(async () => {
  for (const socket of ends) socket.destroy();
  await proxy.close();
  listener.close();
  await once(listener, 'close');
});

function call(): End {
  const { hostname, port } = new URL(proxy.url('tcp://127.0.0.1:1'));
  const socket = net.connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  ends.push(socket);
  return new End(socket);
}

async function pair(): Promise<{ client: End; server: End }> {
  const arrives = once(listener, 'connection') as Promise<[net.Socket]>;
  const client = call();
  const [socket] = await arrives;
  return { client, server: new End(socket) };
}

/** Passes bytes on another connection, after which pending bytes of earlier connections would have arrived. */
async function roundTrip(): Promise<void> {
  const { client, server } = await pair();
  client.socket.write('ping');
  await server.until('ping');
  client.socket.destroy();
  server.socket.destroy();
}

test('the proxy passes bytes and ends in both directions', async () => {
  const { client, server } = await pair();
  client.socket.end('question');
  await server.until('end');
  server.socket.end('answer');
  expect(await client.until('close')).toBe('answer end close');
  expect(server.events.slice(0, 2)).toEqual(['question', 'end']);
});

test('a dropped connection ends, a reset one fails with ECONNRESET, and the proxy accepts new ones', async () => {
  const dropped = await pair();
  proxy.drop();
  expect(await dropped.client.until('end')).toBe('end');
  dropped.client.socket.destroy();
  const reset = await pair();
  proxy.reset();
  expect(await reset.client.until('close')).toBe('ECONNRESET close');
  expect(await reset.server.until('close')).toBe('ECONNRESET close');
  await roundTrip();
});

test('cut() ends open connections and refuses new ones until restore()', async () => {
  const { client } = await pair();
  proxy.cut();
  await client.until('end');
  expect(await call().until('end')).toContain('end');
  proxy.restore();
  await roundTrip();
});

describe('a partition', () => {
  test('a partition holds bytes and ends in both directions and passes them on after restore()', async () => {
    const { client, server } = await pair();
    proxy.hold();
    client.socket.end('held');
    server.socket.write('too');
    const late = call();
    late.socket.write('late');
    await once(late.socket, 'connect');
    expect([client.events, server.events]).toEqual([[], []]);
    proxy.restore();
    expect(await server.until('end')).toBe('held end');
    expect(await client.until('too')).toBe('too');
  });

  test('a partition of one direction leaves the other direction open', async () => {
    const { client, server } = await pair();
    proxy.hold('answers');
    server.socket.write('answer');
    client.socket.write('request');
    await server.until('request');
    expect(client.events).toEqual([]);
  });
});

test('delay() delays every byte and the end, in order', async () => {
  const { client, server } = await pair();
  proxy.delay(50);
  const started = performance.now();
  client.socket.write('a');
  await new Promise((resolve) => setImmediate(resolve));
  proxy.delay(20);
  client.socket.end('b');
  expect((await server.until('end')).replaceAll(' ', '')).toBe('abend');
  // Timers may be a millisecond early
  expect(performance.now() - started).toBeGreaterThan(18);
});

describe('half-open', () => {
  test.each(['server', 'client'] as const)(
    'with halfOpen() the connection of the %s ends, and the other side sees no end',
    async (side) => {
      const both = await pair();
      const [ended, left] = side === 'server' ? [both.server, both.client] : [both.client, both.server];
      proxy.halfOpen(side);
      await ended.until('end');
      left.socket.write('lost');
      await roundTrip();
      expect(left.events).toEqual([]);
      left.socket.end();
      expect(await left.until('close')).toContain('close');
      ended.socket.destroy();
      while (proxy.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    },
  );
});

test('ignore() accepts new connections without an answer and keeps open ones', async () => {
  const { client, server } = await pair();
  proxy.ignore();
  const ignored = call();
  await once(ignored.socket, 'connect');
  ignored.socket.write('question');
  client.socket.write('still here');
  await server.until('still here');
  expect(ignored.events).toEqual([]);
  expect(proxy.connections).toBe(1);
});
