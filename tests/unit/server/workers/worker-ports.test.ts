import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, Socket } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, expect, jest, test } from '@jest/globals';
import { WorkerPorts } from '../../../../server/src/workers/worker-ports.js';

const PORT = 8_080;
const ADDRESS: AddressInfo = { address: '127.0.0.1', family: 'IPv4', port: PORT };
const PLACE = { port: PORT, host: '127.0.0.1', backlog: 1 };

const cleanUp: (() => unknown)[] = [];
afterEach(() => {
  for (const clean of cleanUp.splice(0)) clean();
});

/** Connections of this listener go to `server`, as if the primary process had accepted them. */
async function handOverTo(server: Server): Promise<{ client: Socket; onClosed: jest.Mock<() => void> }> {
  const onClosed = jest.fn<() => void>();
  const ports = new WorkerPorts([ADDRESS], onClosed);
  expect(await ports.listen(server, PLACE)).toBe(ADDRESS);
  const primary = createServer((socket) => ports.take(PORT, socket)).listen(0, '127.0.0.1');
  await once(primary, 'listening');
  const client = connect({ port: (primary.address() as AddressInfo).port, host: '127.0.0.1' });
  cleanUp.push(
    () => primary.close(),
    () => client.destroy(),
  );
  return { client, onClosed };
}

test('a server gets the connection, half-open, and its close is reported', async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.resume().on('end', () => socket.end('last words'));
  });
  const { client, onClosed } = await handOverTo(server);
  client.end();
  const [chunk] = (await once(client, 'data')) as [Buffer];
  expect(String(chunk)).toBe('last words');
  expect(onClosed).not.toHaveBeenCalled();
  server.close();
  await once(server, 'close');
  expect(onClosed).toHaveBeenCalledTimes(1);
});

test('an HTTP server has its deadline for headers on such a connection', async () => {
  const server = createHttpServer({ headersTimeout: 50, requestTimeout: 100, connectionsCheckingInterval: 10 });
  cleanUp.push(() => server.close());
  const { client } = await handOverTo(server);
  client.write('GET / HTTP/1.1\r\n');
  const [chunk] = (await once(client, 'data')) as [Buffer];
  expect(String(chunk)).toMatch(/^HTTP\/1.1 408 /);
});

test('a client that left on the way, and a port that is not open, have no effect', async () => {
  const ports = new WorkerPorts([ADDRESS], () => undefined);
  const server = createServer();
  const onConnection = jest.fn();
  server.on('connection', onConnection);
  await ports.listen(server, PLACE);
  ports.take(PORT, undefined);
  ports.take(1, new Socket());
  expect(onConnection).not.toHaveBeenCalled();
  await expect(ports.listen(server, { ...PLACE, port: 1 })).rejects.toThrow('the primary process has no port 1');
});
