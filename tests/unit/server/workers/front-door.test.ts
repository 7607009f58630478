import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { FrontDoor } from '../../../../server/src/workers/front-door.js';
import type { DoorWorker } from '../../../../server/src/workers/front-door.js';
import { eventually } from '../../../support/deadline.js';

const ANSWER = 'later\n';

const sockets: Socket[] = [];
const doors: FrontDoor[] = [];
afterEach(() => {
  for (const door of doors.splice(0)) door.close();
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function openDoor({ waitingMax = 10, waitMaxMs = 60_000 }) {
  const reports: string[] = [];
  const onTurnedAway = (address: string, limit: string) => void reports.push(`${address} ${limit}`);
  const door = new FrontDoor({ waitingMax, closingMax: 10, waitMaxMs, onTurnedAway });
  doors.push(door);
  const { port } = await door.open({ port: 0, host: '127.0.0.1', backlog: 511 }, ANSWER);
  return { door, reports, port };
}

/** Resolves when the door has the client. */
async function arrive(door: FrontDoor, port: number, localAddress = '127.0.0.1'): Promise<Socket> {
  const seen = () => {
    const [{ used, refused } = { used: 0, refused: { pot: 0 } }] = door.limits();
    return used + (refused.pot ?? 0);
  };
  const before = seen();
  const socket = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
  sockets.push(socket);
  await eventually(
    () => (seen() > before ? true : undefined),
    5_000,
    () => 'the client has not arrived',
  );
  return socket;
}

async function textOf(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  if (!socket.closed) await once(socket, 'close');
  return text;
}

/** Takes connections, and is free again when `done` is called. */
class Worker implements DoorWorker {
  readonly taken: Socket[] = [];
  done: ((error: Error | null) => void) | undefined;

  take(_port: number, socket: Socket, done: (error: Error | null) => void): void {
    sockets.push(socket);
    this.taken.push(socket);
    this.done = done;
  }
}

test('each worker gets one connection at a time, and the others wait', async () => {
  const { door, port } = await openDoor({});
  for (let count = 0; count < 4; count++) await arrive(door, port);
  const [first, second] = [new Worker(), new Worker()];
  door.add(first);
  door.add(second);
  expect([first, second].map(({ taken }) => taken.length)).toEqual([1, 1]);
  first.done?.(null);
  expect([first, second].map(({ taken }) => taken.length)).toEqual([2, 1]);
  expect(door.limits()).toEqual([{ limit: 'descriptors-handover', used: 1, allowed: 10, refused: { pot: 0 } }]);
});

test('the networks of waiting clients take turns', async () => {
  const { door, port } = await openDoor({});
  for (const address of ['127.0.0.1', '127.0.0.1', '127.0.0.2']) await arrive(door, port, address);
  const worker = new Worker();
  door.add(worker);
  worker.done?.(null);
  expect(worker.taken.map(({ remoteAddress }) => remoteAddress)).toEqual(['127.0.0.1', '127.0.0.2']);
});

test('clients beyond the bound get the answer, and are counted and reported', async () => {
  const { door, reports, port } = await openDoor({ waitingMax: 1 });
  await arrive(door, port);
  expect(await textOf(await arrive(door, port))).toBe(ANSWER);
  expect(reports).toEqual(['127.0.0.1 descriptors-handover']);
  expect(door.limits()).toEqual([{ limit: 'descriptors-handover', used: 1, allowed: 1, refused: { pot: 1 } }]);
});

test('a client that no worker takes in time gets the answer', async () => {
  const { door, reports, port } = await openDoor({ waitMaxMs: 1 });
  expect(await textOf(await arrive(door, port))).toBe(ANSWER);
  expect(reports).toHaveLength(1);
});

test('a connection that a dying worker did not get goes to another', async () => {
  const { door, port } = await openDoor({});
  const [dying, other] = [new Worker(), new Worker()];
  await arrive(door, port);
  door.add(dying);
  door.remove(dying);
  expect(door.hasWorkers).toBe(false);
  dying.done?.(new Error('the channel is closed'));
  door.add(other);
  expect(other.taken).toEqual(dying.taken);
});

test('closing refuses new connections, and answers the clients that wait', async () => {
  const { door, port } = await openDoor({});
  const waiting = await arrive(door, port);
  door.close();
  expect(await textOf(waiting)).toBe(ANSWER);
  const late = connect({ port, host: '127.0.0.1' });
  const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
});
