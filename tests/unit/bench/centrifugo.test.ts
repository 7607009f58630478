/** The generator's clients against a server that answers like Centrifugo. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { Client } from '../../../bench/src/generator/client.js';
import type { Load } from '../../../bench/src/generator/load.js';
import { makeBody, writeMark } from '../../../bench/src/generator/mark.js';
import { PROTOCOLS } from '../../../bench/src/generator/protocols.js';

const { centrifugo } = PROTOCOLS;
const PUBLISHER = '509bcadb-efee-4a08-be4b-bcf544d6a22b';
const CONNECTED = `{"id":1,"connect":{"client":"${PUBLISHER}","version":"6.9.1 OSS","ping":25,"pong":true}}`;

let server: WebSocketServer;
let clients: Client[];

beforeEach(async () => {
  clients = [];
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
});
afterEach(() => {
  for (const client of clients) client.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

interface Session {
  readonly socket: WebSocket;
  /** The client's messages. */
  readonly received: string[];
  readonly delivered: number[];
  readonly problems: string[];
  /** Resolves when the client has answered a WebSocket ping, so it has read all that was sent before. */
  readonly settled: () => Promise<void>;
}

function open(isPublisher: boolean, replies: readonly string[]): Promise<Session> {
  const { port } = server.address() as AddressInfo;
  const load: Load = {
    protocol: 'centrifugo',
    transport: 'websocket',
    port,
    path: '/connection/websocket',
    subscribers: 1,
    topics: 1,
    publishers: 1,
    bodyBytes: 128,
    window: 1,
    rate: 0,
    settleSeconds: 0,
    warmupSeconds: 0,
    seconds: 0,
    drainSeconds: 0,
    faultSkip: 0,
    serverPids: [],
    brokerPids: [],
  };
  const received: string[] = [];
  const delivered: number[] = [];
  const problems: string[] = [];
  const left = [...replies];
  let socket: WebSocket | undefined;
  server.once('connection', (connected) => {
    socket = connected;
    connected.on('message', (data: Buffer) => {
      received.push(data.toString('latin1'));
      const reply = left.shift();
      if (reply !== undefined) connected.send(reply);
    });
  });
  return new Promise((resolve, reject) => {
    const client = new Client({ index: 0, topic: 7, isPublisher }, load, centrifugo, {
      arrived: () => undefined,
      ready: () => {
        const opened = socket!;
        const settled = async (): Promise<void> => {
          const pong = once(opened, 'pong');
          opened.ping();
          await pong;
        };
        resolve({ socket: opened, received, delivered, problems, settled });
      },
      ended: (_client, why) => reject(new Error(why)),
      delivered: (_client, _topic, sequence) => delivered.push(sequence),
      malformed: (_client, why) => problems.push(why),
    });
    clients.push(client);
  });
}

const subscribed = (): Promise<Session> => open(false, [CONNECTED, '{"id":2,"subscribe":{}}']);

function body(sequence: number): Buffer {
  const bytes = makeBody(128);
  writeMark(bytes, 0, 7, sequence, 0);
  return bytes;
}

function push(sequence: number): string {
  const info = `{"user":"","client":"${PUBLISHER}"}`;
  return `{"push":{"channel":"b7","pub":{"data":"${body(sequence).toString('latin1')}","info":${info}}}}`;
}

describe('the generator as a client of Centrifugo', () => {
  test('a subscriber connects and then subscribes', async () => {
    const { received } = await subscribed();
    expect(received.map((line) => JSON.parse(line) as unknown)).toEqual([
      { id: 1, connect: {} },
      { id: 2, subscribe: { channel: 'b7' } },
    ]);
  });

  test('a publisher only connects, and its body is the data of the publication', async () => {
    const { received } = await open(true, [CONNECTED]);
    expect(received).toHaveLength(1);
    expect(JSON.parse(centrifugo.publish(7, body(1)).toString('latin1'))).toEqual({
      id: 3,
      publish: { channel: 'b7', data: body(1).toString('latin1') },
    });
  });

  test.each([
    ['connection', ['{"id":1,"error":{"code":101,"message":"unauthorized"}}']],
    ['subscription', [CONNECTED, '{"id":2,"error":{"code":103,"message":"permission denied"}}']],
  ])('a refused %s fails with the reply', async (_what, replies) => {
    await expect(open(false, replies)).rejects.toThrow(/unauthorized|permission denied/);
  });

  test('a ping before the subscription is answered', async () => {
    const { received } = await open(false, [CONNECTED, '{}', '{"id":2,"subscribe":{}}']);
    expect(received.slice(2)).toEqual(['{}']);
  });

  test('the place of the mark is known, with the id of the publisher behind it', () => {
    const line = push(1);
    expect(line.length - centrifugo.tailBytes).toBe(line.indexOf('$"') + 1);
  });

  test('deliveries are counted in the order of their lines, with duplicates and gaps', async () => {
    const { socket, delivered, problems, settled } = await subscribed();
    socket.send(push(1));
    socket.send([2, 2, 5, 4].map(push).join('\n'));
    await settled();
    expect(delivered).toEqual([1, 2, 2, 5, 4]);
    expect(problems).toEqual([]);
  });

  test.each([
    ['alone', ['{}']],
    ['before a delivery', ['{}', push(1)]],
    ['after a delivery', [push(1), '{}']],
    ['between deliveries', [push(1), '{}', push(2)]],
  ])('a ping %s is answered once', async (_where, lines) => {
    const { socket, received, delivered, problems, settled } = await subscribed();
    socket.send(lines.join('\n'));
    await settled();
    expect(received.slice(2)).toEqual(['{}']);
    expect(delivered).toHaveLength(lines.length - 1);
    expect(problems).toEqual([]);
  });

  test('a delivery without a ping is not answered', async () => {
    const { socket, received, settled } = await subscribed();
    socket.send(push(1));
    socket.send([push(2), push(3)].join('\n'));
    await settled();
    expect(received).toHaveLength(2);
  });

  test('replies to publications are no problem, except errors, and a ping among them is answered', async () => {
    const { socket, received, problems, settled } = await open(true, [CONNECTED]);
    const fine = '{"id":3,"publish":{}}';
    socket.send(fine);
    socket.send([fine, '{}', fine].join('\n'));
    await settled();
    expect([received.slice(1), problems]).toEqual([['{}'], []]);
    socket.send([fine, '{"id":3,"error":{"code":103,"message":"permission denied"}}'].join('\n'));
    await settled();
    expect(problems).toEqual([expect.stringContaining('permission denied')]);
  });
});
