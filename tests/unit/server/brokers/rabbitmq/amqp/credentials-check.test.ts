/** Any program may listen at the address of RabbitMQ. No answer of it ends the process or makes it accept a login. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { checkCredentials } from '../../../../../../server/src/brokers/rabbitmq/amqp/credentials-check.js';

const servers: Server[] = [];
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => once(server.close(), 'close')));
});

/** Starts a server that runs `answer` for each connection, and counts the connections. */
async function serve(answer: (socket: Socket) => void): Promise<{ url: string; connections: () => number }> {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    answer(socket);
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `amqp://relay:own@127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
  };
}

function check(urls: readonly string[], signal = new AbortController().signal): Promise<boolean> {
  const options = { urls, instanceId: 'test', connectTimeoutMs: 200, heartbeatSeconds: 10, isUp: () => true };
  return checkCredentials('alice', 'very-secret', signal, options);
}

/** AMQP 0-9-1, 2.3: a method frame on channel 0. */
function method(classId: number, methodId: number, fields: Buffer): Buffer {
  const head = Buffer.alloc(11);
  head.writeUInt8(1, 0);
  head.writeUInt32BE(4 + fields.length, 3);
  head.writeUInt16BE(classId, 7);
  head.writeUInt16BE(methodId, 9);
  return Buffer.concat([head, fields, Buffer.from([0xce])]);
}

const longString = (text: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
};
const NO_TABLE = Buffer.alloc(4);
const START = method(10, 10, Buffer.concat([Buffer.from([0, 9]), NO_TABLE, longString('PLAIN'), longString('en_US')]));

/** Connection.close with this reply code. */
function close(code: number): Buffer {
  const fields = Buffer.alloc(2 + 1 + 4);
  fields.writeUInt16BE(code);
  return method(10, 50, fields);
}

describe('without an answer to the login', () => {
  test.each<[string, (socket: Socket) => void]>([
    ['silence', () => undefined],
    ['a closed connection', (socket) => socket.destroy()],
    ['a reset', (socket) => socket.resetAndDestroy()],
    ['HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['a closed connection after the start', (socket) => socket.end(START)],
    ['silence after the start', (socket) => socket.write(START)],
    ['a failure after the login', (socket) => socket.write(Buffer.concat([START, close(541)]))],
    ['a busy node after the login', (socket) => socket.write(Buffer.concat([START, close(320)]))],
  ])('the check rejects: %s', async (_, answer) => {
    const { url } = await serve(answer);
    await expect(check([url])).rejects.toThrow();
  });

  test('the error contains neither the passcode nor that of the relay', async () => {
    const { url } = await serve((socket) => socket.write(Buffer.concat([START, close(541)])));
    const error = (await check([url]).catch((reason: unknown) => reason)) as Error;
    expect(`${error.message} ${error.stack}`).not.toMatch(/very-secret|own@/);
  });

  test('the other addresses are tried, until the signal aborts', async () => {
    const giveUp = new AbortController();
    const first = await serve((socket) => {
      giveUp.abort();
      socket.destroy();
    });
    await expect(check([first.url, first.url, first.url], giveUp.signal)).rejects.toThrow();
    expect(first.connections()).toBe(1);
    const second = await serve((socket) => socket.destroy());
    await expect(check([second.url, second.url, second.url])).rejects.toThrow();
    expect(second.connections()).toBe(3);
  });
});

describe('an accepted login', () => {
  const TUNE = method(10, 30, Buffer.from([0, 0, 0, 2, 0, 0, 0, 0])); // any channels, frames of 128 KiB, no heart-beats
  const OPEN_OK = method(10, 41, Buffer.from([0]));
  const CLOSE_OK = method(10, 51, Buffer.alloc(0));
  const holds = (chunk: Buffer, methodId: number) => chunk.includes(Buffer.from([0, 10, 0, methodId]));

  test.each([
    ['in order', CLOSE_OK],
    ['without an answer to the close', Buffer.alloc(0)],
    ['with an error as the answer to the close', close(541)],
  ])('closes its connection before the result, %s', async (_, answer) => {
    const events: string[] = [];
    const { url } = await serve((socket) => {
      socket.write(Buffer.concat([START, TUNE, OPEN_OK]));
      socket.on('close', () => events.push('gone'));
      socket.on('data', (chunk) => {
        if (!holds(chunk, 50)) return;
        events.push('close');
        socket.write(answer);
      });
    });
    await expect(check([url])).resolves.toBe(true);
    await Promise.all([...sockets].map((socket) => once(socket, 'close')));
    expect(events).toEqual(['close', 'gone']);
  });

  test('is accepted even if the node stops at that moment (320, connection forced)', async () => {
    const { url } = await serve((socket) => {
      socket.write(Buffer.concat([START, TUNE]));
      socket.on('data', (chunk) => holds(chunk, 40) && socket.write(Buffer.concat([OPEN_OK, close(320)])));
    });
    await expect(check([url])).resolves.toBe(true);
  });
});

describe('a refusal', () => {
  test('403 is final: no other address is tried', async () => {
    const { url, connections } = await serve((socket) => socket.write(Buffer.concat([START, close(403)])));
    await expect(check([url, url])).resolves.toBe(false);
    expect(connections()).toBe(1);
  });

  test('the check uses the login, not the credentials of the address', async () => {
    let response = '';
    const { url } = await serve((socket) => {
      socket.write(START);
      socket.on('data', (chunk) => {
        response += chunk.toString('latin1');
        if (response.includes('very-secret')) socket.write(close(403));
      });
    });
    await check([url]);
    expect(response).toContain('\0alice\0very-secret');
    expect(response).not.toContain('own');
  });
});
