/** The herd against a server that answers SUBSCRIBE with planted verdicts and messages. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { WebSocketServer } from 'ws';
import { makeBody, writeMark } from '../../../bench/src/generator/mark.js';
import { herdProtocol } from '../../../bench/src/growth/herd-protocols.js';
import { Herd, publishNumbered } from '../../../bench/src/growth/herd.js';
import type { Target } from '../../../bench/src/peers.js';

let server: WebSocketServer;
let target: Target;
let answer: (since: string) => readonly string[];
let sends: string[];

beforeEach(async () => {
  sends = [];
  server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  server.on('connection', (socket) => {
    socket.on('message', (data: Buffer) => {
      const text = data.toString('latin1');
      if (text.startsWith('CONNECT')) socket.send('CONNECTED\nversion:1.2\n\n\0');
      else if (text.startsWith('SEND')) {
        sends.push(text);
        if (text.includes('\nreceipt:r0\n')) socket.send('RECEIPT\nreceipt-id:r0\n\n\0');
      } else for (const frame of answer(/relay-since:(.*)/.exec(text)?.[1] ?? '')) socket.send(frame);
    });
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  target = { protocol: 'stomp', transport: 'websocket', port, path: '/', serverPids: [], brokerPids: [] };
});
afterEach(() => {
  for (const client of server.clients) client.terminate();
  server.close();
});

function messageFrame(sequence: number): string {
  const body = makeBody(128);
  writeMark(body, 0, 0, sequence, 0);
  const headers = 'subscription:sub-0\ndestination:/topic/b0\nmessage-id:hbench-1\nrelay-replayed:true';
  return `MESSAGE\n${headers}\ncontent-length:128\n\n${body.toString('latin1')}\0`;
}

const receipt = (...headers: string[]): string => `RECEIPT\nreceipt-id:r0\n${headers.join('\n')}\n\n\0`;

test('a verdict is the text of RECEIPT, or the reason', () => {
  const readVerdict = (frame: string) => herdProtocol('stomp').readVerdict(Buffer.from(frame));
  expect(readVerdict(receipt('relay-position:p', 'relay-recovered:true'))).toEqual({
    position: 'p',
    recovered: 'true',
  });
  expect(readVerdict(receipt('relay-recovered:false', 'relay-reason:too-old'))?.recovered).toBe('too-old');
  expect(readVerdict(receipt())).toEqual({ position: '', recovered: '' });
  expect(readVerdict('MESSAGE\nrelay-recovered:true\n\n\0')).toBeUndefined();
});

test('clients count their verdicts, and each message that is not the next one', async () => {
  answer = (since) =>
    since === '1'
      ? [receipt('relay-recovered:false', 'relay-reason:too-old')]
      : [
          receipt(`relay-position:p${since}`, 'relay-recovered:true'),
          ...(since === '0' ? [1, 2, 3] : [1, 3, 3]).map(messageFrame),
        ];
  const herd = new Herd(target, 3, String);
  await herd.open(true, 10);
  await herd.receive(2, 10);
  herd.close();
  expect([...herd.verdicts].sort()).toEqual([
    ['too-old', 1],
    ['true', 2],
  ]);
  expect(herd.positions).toEqual(['p0', '', 'p2']);
  expect([herd.delivered, herd.wrong]).toEqual([6, 1]);
});

test('servers without positions have no herd', () => {
  expect(() => new Herd({ ...target, protocol: 'nats' }, 1, String)).toThrow('clients of nats cannot return');
});

test('sessions that are open subscribe together', async () => {
  answer = (since) => [receipt(`relay-position:${since}`)];
  const herd = new Herd(target, 100, () => 'now');
  await herd.open(false, 10);
  expect(herd.answered).toBe(0);
  await herd.subscribe(10);
  herd.close();
  expect(herd.answered).toBe(100);
});

test('an ERROR ends the wait', async () => {
  answer = () => ['ERROR\nmessage:denied\n\n\0'];
  const herd = new Herd(target, 1, () => 'now');
  await expect(herd.open(true, 10)).rejects.toThrow(/message:denied/);
  herd.close();
});

test('messages that do not come end the wait with their number', async () => {
  answer = () => [receipt(), messageFrame(1)];
  const herd = new Herd(target, 1, () => 'now');
  await herd.open(true, 10);
  await expect(herd.receive(2, 0.2)).rejects.toThrow('messages are missing in 0.2 s: 1 answers, 1 messages');
  herd.close();
});

test('published messages are numbered from 1, and the last one is confirmed', async () => {
  await publishNumbered(target, 3, 10);
  expect(sends).toHaveLength(3);
  expect(sends.map((send) => send.includes('receipt'))).toEqual([false, false, true]);
  expect(sends.map((send) => /~#LD0{6}([0-9a-f]{8})/.exec(send)?.[1])).toEqual(['00000001', '00000002', '00000003']);
});
