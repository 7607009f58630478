/** On HTTP and HTTPS servers with all their listeners. Clients have addresses of loopback, which count as networks here. */
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createHttpServer } from '../../../../server/src/http/http-server.js';
import { ClientGate } from '../../../../server/src/net/client-gate.js';
import type { TlsPort } from '../../../../server/src/net/tls-port.js';
import { finishConnection } from '../../../../server/src/net/unfinished-connections.js';
import { TestAuthority } from '../../../support/certificates.js';
import { openTlsPort } from '../transports/open-tls-port.js';

const MAX = 3;
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
});
afterAll(() => authority.remove());

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function openServer(scheme: 'http' | 'https', clientsMax = Infinity) {
  const reports: string[] = [];
  const onTurnedAway = (_: string, limit: string) => void reports.push(limit);
  const gate = new ClientGate({ max: clientsMax, closingMax: 10, onTurnedAway });
  let tls: TlsPort | undefined;
  if (scheme === 'https') tls = await openTlsPort(authority, { unfinishedMax: MAX, gate });
  const answer = ({ url, socket, headers }: IncomingMessage, response: ServerResponse) => {
    if (url === '/stream') finishConnection(socket);
    response.write('HEAD ');
    if (url === '/') response.end(headers['x-forwarded-for'] ?? 'none');
  };
  const server: Server = createHttpServer(answer, {
    httpConnectionsMax: MAX,
    httpHeadersMaxBytes: 16_384,
    connectTimeoutMs: 60_000,
    onListenerFailed: () => undefined,
    addressOf: ({ socket, headers }) => String(headers['x-forwarded-for'] ?? socket.remoteAddress),
    gate,
    tls,
  });
  server.on('upgrade', (_request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n'));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  cleanUp.push(
    () => server.close(),
    () => tls?.close(),
  );
  const { port } = server.address() as AddressInfo;

  /** Resolves when the server has the connection. */
  async function silent(address = '127.0.0.1'): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', localAddress: address }).on('error', () => undefined);
    cleanUp.push(() => socket.destroy());
    await once(server, 'connection');
    return socket;
  }
  async function talking(address: string, text = REQUEST): Promise<{ socket: Socket; text: string }> {
    const raw = connect({ port, host: '127.0.0.1', localAddress: address }).on('error', () => undefined);
    const socket = tls ? connectTls({ socket: raw, ca: authority.ca, servername: 'localhost' }) : raw;
    cleanUp.push(() => raw.destroy());
    socket.on('error', () => undefined).write(text);
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    return { socket, text: chunk.toString() };
  }
  return { gate, reports, silent, talking };
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  if (!socket.closed) await once(socket, 'close');
  return text;
}

const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const STREAM = 'GET /stream HTTP/1.1\r\nHost: x\r\n\r\n';

describe.each(['http', 'https'] as const)('unfinished connections over %s', (scheme) => {
  test('of one network lose their places to others, the oldest first', async () => {
    const { gate, reports, silent, talking } = await openServer(scheme);
    const flood = [await silent(), await silent(), await silent()];
    expect((await talking('127.0.0.2')).text).toMatch(/^HTTP\/1.1 200/);
    expect(await textOf(flood[0]!)).toMatch(scheme === 'http' ? /^HTTP\/1.1 503 .*\r\nRetry-After: /s : /^$/);
    expect(flood.slice(1).map(({ closed }) => closed)).toEqual([false, false]);
    expect(reports).toEqual(['listen.httpConnectionsMax']);
    expect(gate.limits()).toEqual([{ limit: 'listen.httpConnectionsMax', used: 3, allowed: 3, refused: { pot: 1 } }]);
  });

  test('no longer count when they are upgraded, or streams', async () => {
    const { gate, reports, silent, talking } = await openServer(scheme);
    for (let count = 0; count < 3; count++) {
      expect((await talking('127.0.0.1', UPGRADE)).text).toMatch(/^HTTP\/1.1 101/);
      expect((await talking('127.0.0.1', STREAM)).text).toMatch(/^HTTP\/1.1 200/);
    }
    const flood = [await silent(), await silent(), await silent()];
    await talking('127.0.0.2');
    await textOf(flood[0]!);
    expect(gate.used).toBeGreaterThanOrEqual(9);
    expect(reports).toHaveLength(1);
  });

  test('with a request count for the address that it names, and as the newest', async () => {
    const { reports, silent, talking } = await openServer(scheme);
    const { socket } = await talking('127.0.0.1');
    const flood = [await silent(), await silent()];
    socket.write(REQUEST);
    await once(socket, 'data');
    await talking('127.0.0.2');
    await textOf(flood[0]!);
    socket.write(REQUEST.replace('Host', 'X-Forwarded-For: 192.0.2.9\r\nHost'));
    expect(String((await once(socket, 'data'))[0])).toContain('200');
    expect(socket.closed).toBe(false);
    expect(reports).toHaveLength(1);
  });

  test('are not served without a descriptor', async () => {
    const { gate, reports, silent, talking } = await openServer(scheme, 2);
    const sessions = [await talking('127.0.0.1', UPGRADE), await talking('127.0.0.1', UPGRADE)];
    const refused = await silent('127.0.0.2');
    expect(await textOf(refused)).toMatch(scheme === 'http' ? /^HTTP\/1.1 503/ : /^$/);
    expect(reports).toEqual(['descriptors']);
    expect(gate.used).toBe(2);
    expect(sessions.map(({ socket }) => socket.closed)).toEqual([false, false]);
  });
});
