import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ClientGate } from '../../../../server/src/net/client-gate.js';
import { WaitingRoom } from '../../../../server/src/net/waiting-room.js';

const ANSWER = 'later\n';

const sockets: Socket[] = [];
let server: Server;
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
});

async function openGate(options: { max: number; closingMax: number }) {
  const reports: string[] = [];
  const onTurnedAway = (address: string, limit: string) => void reports.push(`${address} ${limit}`);
  const gate = new ClientGate({ ...options, onTurnedAway });
  server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    if (gate.enter(socket)) socket.resume();
    else gate.turnAway(socket, ANSWER);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { gate, reports, port };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => undefined);
  sockets.push(socket);
  await once(server, 'connection');
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  if (!socket.closed) await once(socket, 'close');
  return text;
}

describe('the gate', () => {
  test('turns clients away with an answer, counts and reports them, and has a place when one has gone', async () => {
    const { gate, reports, port } = await openGate({ max: 2, closingMax: 1 });
    const [first] = [await open(port), await open(port)];
    const refused = await open(port);
    refused.write('input that the server does not expect');
    expect(await textOf(refused)).toBe(ANSWER);
    expect(reports).toEqual(['127.0.0.1 descriptors']);
    expect(gate.limits()).toEqual([{ limit: 'descriptors', used: 2, allowed: 2, refused: { pot: 1 } }]);
    const onServer = sockets.find(({ remotePort }) => remotePort === first.localPort)!;
    first.destroy();
    await once(onServer, 'close');
    await open(port);
    expect(gate.used).toBe(2);
    expect(reports).toHaveLength(1);
  });

  test('in a flood closes at once, without a descriptor for each client', async () => {
    const { gate, reports, port } = await openGate({ max: 0, closingMax: 0 });
    const refused = await open(port);
    expect(await textOf(refused)).toBe(ANSWER);
    expect(gate.used).toBe(0);
    expect(reports).toHaveLength(1);
  });

  test('the largest network can use half of the descriptors for those that are being closed', async () => {
    const { gate, port } = await openGate({ max: 0, closingMax: 4 });
    const isFair: boolean[] = [];
    const makeRoom = (_: string, onlyFair: boolean) => isFair.push(onlyFair) > 0;
    gate.addRoom({ limit: 'roomMax', max: 5, size: 5, turnedAway: 0, makeRoom });
    for (let count = 0; count < 6; count++) await open(port);
    expect(isFair).toEqual([false, false, true, true]);
  });

  test('evicts a waiting client for another, as long as there are descriptors for those that are being closed', async () => {
    const { gate, reports, port } = await openGate({ max: 1, closingMax: 2 });
    const evicted: string[] = [];
    const room = new WaitingRoom<string>({ limit: 'roomMax', max: 5, evict: (client) => void evicted.push(client) });
    for (const client of ['a', 'b', 'c', 'd']) room.enter(client, '192.0.2.1');
    gate.addRoom(room);
    for (let count = 0; count < 4; count++) await open(port);
    expect(evicted).toEqual(['a', 'b']);
    expect(gate.used).toBe(3);
    expect(reports).toHaveLength(1);
    expect(gate.limits()).toEqual([
      { limit: 'descriptors', used: 3, allowed: 1, refused: { pot: 1 } },
      { limit: 'roomMax', used: 2, allowed: 5, refused: { pot: 2 } },
    ]);
  });

  test('has no limit to show without a bound, and adds rooms of the same limit', () => {
    server = createServer();
    const gate = new ClientGate({ max: Infinity, closingMax: 1, onTurnedAway: () => undefined });
    for (let count = 0; count < 2; count++) {
      const room = new WaitingRoom<string>({ limit: 'roomMax', max: 5, evict: () => undefined });
      room.enter('a', '192.0.2.1');
      gate.addRoom(room);
    }
    expect(gate.limits()).toEqual([{ limit: 'roomMax', used: 2, allowed: 10, refused: { pot: 0 } }]);
  });
});
