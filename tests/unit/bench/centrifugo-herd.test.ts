/** The herd against a server that answers like Centrifugo: the missed messages are part of the answer. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import { makeBody, writeMark } from '../../../bench/src/generator/mark.js';
import { herdProtocol } from '../../../bench/src/growth/herd-protocols.js';
import { Herd, publishNumbered } from '../../../bench/src/growth/herd.js';
import type { Target } from '../../../bench/src/peers.js';

interface Subscribe {
  readonly channel: string;
  readonly recoverable: boolean;
  readonly recover?: boolean;
  readonly offset?: number;
  readonly epoch?: string;
}
interface Command {
  readonly id: number;
  readonly subscribe?: Subscribe;
  readonly publish?: { readonly data: string };
}

const { readVerdict } = herdProtocol('centrifugo');

let server: WebSocketServer;
let target: Target;
let answer: (subscribe: Subscribe) => string;
let commands: string[];

beforeEach(async () => {
  commands = [];
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const line = data.toString('latin1');
      commands.push(line);
      const { id, subscribe, publish } = JSON.parse(line) as Command;
      if (id === 1) socket.send('{"id":1,"connect":{"client":"c","ping":25,"pong":true}}');
      if (subscribe) socket.send(answer(subscribe));
      if (publish) socket.send(`{"id":${id},"publish":{}}`);
    });
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  target = { protocol: 'centrifugo', transport: 'websocket', port, path: '/', serverPids: [], brokerPids: [] };
});
afterEach(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

function publication(offset: number, sequence = offset): string {
  const body = makeBody(128);
  writeMark(body, 0, 0, sequence, 0);
  return `{"data":"${body.toString('latin1')}","info":{"user":"","client":"c"},"offset":${offset}}`;
}

/** The reply to a subscription; its fields are in the server's order. */
function reply(epoch: string, publications: readonly string[], ...fields: string[]): string {
  const missed = publications.length === 0 ? [] : [`"publications":[${publications.join(',')}]`];
  const all = ['"recoverable":true', `"epoch":"${epoch}"`, ...missed, ...fields, '"positioned":true'];
  return `{"id":2,"subscribe":{${all.join(',')}}}`;
}

const verdict = (line: string) => readVerdict(Buffer.from(line));

test('a verdict has the position of the channel', () => {
  expect(verdict(reply('e1', []))).toEqual({ position: '0@e1', recovered: '' });
  expect(verdict(reply('e1', [], '"offset":17'))).toEqual({ position: '17@e1', recovered: '' });
});

test('after missed messages, it has that of the last one, without the lines behind the answer', () => {
  const line = reply(
    'e1',
    [1, 2, 3].map((offset) => publication(offset)),
    '"recovered":true',
  ).replace('}}', ',"was_recovering":true}}');
  expect(verdict(line)).toEqual({ position: '3@e1', recovered: 'true' });
  expect(verdict(`${line}\n{"push":{"channel":"b0","pub":${publication(4)}}}`)?.position).toBe('3@e1');
});

test('an epoch that has ended is not recovered', () => {
  const line = reply('e2', [], '"offset":3', '"was_recovering":true');
  expect(verdict(line)).toEqual({ position: '3@e2', recovered: 'not recovered' });
});

test('other lines have no verdict', () => {
  expect(verdict('{"id":1,"connect":{"client":"c"}}')).toBeUndefined();
  expect(verdict('{"id":2,"error":{"code":103,"message":"permission denied"}}')).toBeUndefined();
  expect(verdict('{}')).toBeUndefined();
});

test('clients return with offset and epoch, and count each message that is not the next one', async () => {
  answer = ({ offset = -1 }) => {
    if (offset === 1) return `${reply('e2', [], '"was_recovering":true')}\n{}`;
    const missed = offset === 0 ? [1, 2, 3] : [1, 3, 3];
    const line = reply(
      'e1',
      missed.map((sequence, i) => publication(i + 1, sequence)),
      '"recovered":true',
    );
    return `${line}\n{}`; // a ping in the same frame
  };
  const herd = new Herd(target, 3, (client) => `${client}@e1`);
  await herd.open(true, 10);
  await herd.receive(2, 10);
  const pongs = [...server.clients].map((socket) => once(socket, 'pong'));
  for (const socket of server.clients) socket.ping();
  await Promise.all(pongs);
  herd.close();
  expect([...herd.verdicts].sort()).toEqual([
    ['not recovered', 1],
    ['true', 2],
  ]);
  expect([herd.delivered, herd.wrong]).toEqual([6, 1]);
  expect(commands.filter((line) => line === '{}')).toHaveLength(3);
  const subscriptions = commands.flatMap((line) => (JSON.parse(line) as Command).subscribe ?? []);
  expect(subscriptions).toContainEqual({ channel: 'b0', recoverable: true, recover: true, offset: 2, epoch: 'e1' });
});

test('clients without a position ask for one', async () => {
  answer = () => reply('e1', []);
  const herd = new Herd(target, 1, () => 'now');
  await herd.open(true, 10);
  herd.close();
  expect(herd.positions).toEqual(['0@e1']);
  expect((JSON.parse(commands[1] ?? '') as Command).subscribe).toEqual({ channel: 'b0', recoverable: true });
});

test('an error ends the wait', async () => {
  answer = () => '{"id":2,"error":{"code":103,"message":"permission denied"}}';
  const herd = new Herd(target, 1, () => 'now');
  await expect(herd.open(true, 10)).rejects.toThrow(/permission denied/);
  herd.close();
});

test('published messages are numbered from 1, and the last one is confirmed', async () => {
  await publishNumbered(target, 3, 10);
  const published = commands.map((line) => JSON.parse(line) as Command).filter(({ publish }) => publish);
  expect(published.map(({ id }) => id)).toEqual([3, 3, 4]);
  expect(published.map(({ publish }) => publish?.data.slice(0, 18))).toEqual(
    ['00000001', '00000002', '00000003'].map((sequence) => `~#LD000000${sequence}`),
  );
});
