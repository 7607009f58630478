/**
 * Tests the generator. A broadcast server in this process loses, duplicates, swaps and damages messages and counts
 * these faults; the generator must report the same counts. Further runs have no faults, or losses of the generator's
 * own.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { Generator } from './generator/generator.js';
import type { Load, LoadResult } from './generator/load.js';

const SUBSCRIBERS = 20;

interface Planted {
  lost: number;
  duplicates: number;
  outOfOrder: number;
  malformed: number;
}

interface Plan {
  readonly name: string;
  readonly faults: boolean;
  readonly load: Partial<Load>;
}

const PLANS: readonly Plan[] = [
  { name: 'clean, by rate', faults: false, load: {} },
  { name: 'clean, with a window', faults: false, load: { rate: 0, window: 8 } },
  { name: 'clean, short bodies', faults: false, load: { bodyBytes: 35 } },
  { name: 'clean, 64 KiB bodies', faults: false, load: { bodyBytes: 65_536, rate: 100 } },
  { name: 'faults of the server', faults: true, load: {} },
  { name: '--fault-skip 10', faults: false, load: { faultSkip: 10 } },
];

export async function selfTest(print: (line: string) => void): Promise<void> {
  for (const plan of PLANS) {
    const { result, planted } = await run(plan);
    if (plan.load.faultSkip)
      planted.lost = Math.floor(result.expected / SUBSCRIBERS / plan.load.faultSkip) * SUBSCRIBERS;
    const found: Planted = {
      lost: result.lost,
      duplicates: result.duplicates,
      outOfOrder: result.outOfOrder,
      malformed: result.malformed,
    };
    const isRight = JSON.stringify(found) === JSON.stringify(planted) && result.unique > 1_000;
    const isPlanted = !plan.faults || Object.values(planted).every((count: number) => count > 0);
    print(
      `${isRight && isPlanted ? 'ok  ' : 'FAIL'} ${plan.name}: ${result.expected} expected, found ${JSON.stringify(found)}`,
    );
    if (!isRight || !isPlanted) throw new Error(`planted ${JSON.stringify(planted)}; ${result.firstProblem}`);
  }
}

async function run(plan: Plan): Promise<{ result: LoadResult; planted: Planted }> {
  const planted: Planted = { lost: 0, duplicates: 0, outOfOrder: 0, malformed: 0 };
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  broadcast(server, plan.faults ? planted : undefined);
  const load: Load = {
    protocol: 'raw',
    transport: 'websocket',
    port: (server.address() as AddressInfo).port,
    path: '/',
    subscribers: SUBSCRIBERS,
    topics: 1,
    publishers: 1,
    bodyBytes: 128,
    window: 0,
    rate: 1_000,
    settleSeconds: 0,
    warmupSeconds: 0.1,
    seconds: 0.6,
    drainSeconds: plan.faults || plan.load.faultSkip ? 1 : 10, // lost messages never arrive
    faultSkip: 0,
    serverPids: [],
    brokerPids: [],
    ...plan.load,
  };
  const result = await new Generator(load).run();
  for (const client of server.clients) client.terminate();
  server.close();
  return { result, planted };
}

/** For each subscriber, of 50 messages one is lost, one duplicated, one swapped with the next, and one damaged. */
function broadcast(server: WebSocketServer, planted: Planted | undefined): void {
  const members = new Set<WebSocket>();
  server.on('connection', (socket) => {
    let count = 0;
    let held: Buffer | undefined;
    socket.on('message', (data: Buffer) => {
      if (data[0] === 0x7e) for (const member of members) member.emit('planted', data);
      else {
        if (data.toString().startsWith('SUB')) members.add(socket);
        socket.send('OK');
      }
    });
    const send = (data: Buffer): void => socket.send(data, { binary: true });
    socket.on('planted' as 'message', (data: Buffer) => {
      count += 1;
      if (!planted) return send(data);
      if (held) {
        send(data);
        send(held);
        planted.outOfOrder += 1;
        held = undefined;
      } else if (count % 50 === 10) {
        planted.lost += 1;
      } else if (count % 50 === 20) {
        send(data);
        send(data);
        planted.duplicates += 1;
      } else if (count % 50 === 30) {
        held = data;
      } else if (count % 50 === 40) {
        const damaged = Buffer.from(data);
        damaged[12] = 0x7a; // not a hexadecimal digit: the message is damaged, and therefore also lost
        send(damaged);
        planted.malformed += 1;
        planted.lost += 1;
      } else {
        send(data);
      }
    });
  });
}
