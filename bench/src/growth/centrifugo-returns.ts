/**
 * The clients of Centrifugo return with their positions, for comparison with those of the relay. On Redis its server
 * is killed and started again. The memory engine loses its messages with the server, so there only the clients are cut.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startCentrifugo } from '../centrifugo.js';
import { readFigures } from '../generator/process-figures.js';
import { missing } from '../peers.js';
import type { Processes } from '../processes.js';
import { startRedis } from '../redis.js';
import { Herd, publishNumbered } from './herd.js';
import type { ReturnsPlan } from './returns.js';
import type { Stage } from './stage.js';

export const ENGINES = ['centrifugo', 'centrifugo-redis'] as const;
export type Engine = (typeof ENGINES)[number];

export interface CentrifugoReturns extends ReturnsPlan {
  readonly engine: Engine;
  /** Clients with `recovered:true`. */
  readonly recovered: number;
  /** From the first answer to the last one. */
  readonly answeredSeconds: number;
  /** From the first connection to the last message. */
  readonly deliveredSeconds: number;
  readonly serverMicrosPerMessage: number;
  /** For the sessions and their messages. */
  readonly serverCpuSeconds: number;
  readonly redisCpuSeconds: number;
  /** Without anything to recover. */
  readonly serverMicrosPerSession: number;
  /** Messages that were lost, duplicated or out of order. */
  readonly wrong: number;
}

type Server = Awaited<ReturnType<typeof startCentrifugo>>;

/** Ends a server's clients, and resolves with the server to which they return. */
type Cut = (server: Server, herd: Herd) => Promise<Server>;

const SECONDS_MAX = 120;
const REST_MS = 300;
const REST_SHARE = 0.1;
const REST_SECONDS = 30;

export async function measureCentrifugoReturns(stage: Stage, plan: ReturnsPlan): Promise<CentrifugoReturns[]> {
  const results: CentrifugoReturns[] = [];
  for (const engine of ENGINES) {
    const why = missing(engine);
    if (why !== undefined) stage.print(`  ${why}`);
    else results.push(await measure(stage, engine, plan));
  }
  return results;
}

async function measure({ processes, print }: Stage, engine: Engine, plan: ReturnsPlan): Promise<CentrifugoReturns> {
  const result = engine === 'centrifugo' ? await inMemory(processes, plan) : await onRedis(processes, plan);
  print(`  ${engine} ${describe(result)}`);
  return result;
}

async function inMemory(processes: Processes, plan: ReturnsPlan): Promise<CentrifugoReturns> {
  const server = await startCentrifugo(processes, { isRecoverable: true });
  const cut: Cut = async (_server, herd) => {
    herd.close();
    await atRest(server.serverPids);
    return server;
  };
  try {
    return await leaveAndReturn('centrifugo', server, cut, plan);
  } finally {
    await server.stop();
  }
}

async function onRedis(processes: Processes, plan: ReturnsPlan): Promise<CentrifugoReturns> {
  const redis = await startRedis(processes);
  const start = (): Promise<Server> => startCentrifugo(processes, { redis, isRecoverable: true });
  const servers: Server[] = [];
  const cut: Cut = async (server, herd) => {
    herd.close();
    process.kill(server.serverPids[0], 'SIGKILL');
    const next = await start();
    servers.push(next);
    return next;
  };
  try {
    const first = await start();
    servers.push(first);
    return await leaveAndReturn('centrifugo-redis', first, cut, plan);
  } finally {
    for (const server of servers) await server.stop();
    await redis.stop();
  }
}

async function leaveAndReturn(engine: Engine, first: Server, cut: Cut, plan: ReturnsPlan): Promise<CentrifugoReturns> {
  const { clients, missed } = plan;
  const before = new Herd(first, clients, () => 'now');
  let second: Server;
  let openSeconds: number;
  try {
    [openSeconds] = await cpuSeconds([first.serverPids], () => before.open(true, SECONDS_MAX));
    second = await cut(first, before);
  } finally {
    before.close();
  }
  await publishNumbered(second, missed, SECONDS_MAX);

  const herd = new Herd(second, clients, (client) => before.positions[client] ?? '');
  try {
    const begunAt = performance.now();
    const [serverCpuSeconds, redisCpuSeconds] = await cpuSeconds([second.serverPids, second.brokerPids], async () => {
      await herd.open(true, SECONDS_MAX);
      await herd.receive(missed, SECONDS_MAX);
    });
    return {
      ...plan,
      engine,
      recovered: herd.verdicts.get('true') ?? 0,
      answeredSeconds: (herd.lastAnswerAt - herd.firstAnswerAt) / 1_000,
      deliveredSeconds: (herd.lastDeliveryAt - begunAt) / 1_000,
      serverMicrosPerMessage: ((serverCpuSeconds - openSeconds) * 1e6) / (clients * missed),
      serverCpuSeconds,
      redisCpuSeconds,
      serverMicrosPerSession: (openSeconds * 1e6) / clients,
      wrong: herd.wrong,
    };
  } finally {
    herd.close();
  }
}

/** The CPU time of each group of processes during `work`. */
async function cpuSeconds<T extends readonly (readonly number[])[]>(
  groups: readonly [...T],
  work: () => Promise<void>,
): Promise<{ [K in keyof T]: number }> {
  const read = (): number[] => groups.map((pids) => readFigures(pids).cpuSeconds);
  const before = read();
  await work();
  return read().map((seconds, i) => seconds - (before[i] ?? 0)) as { [K in keyof T]: number };
}

/** Waits until a server is idle: it has ended the sessions of the clients that were cut. */
async function atRest(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + REST_SECONDS * 1_000;
  for (let share = 1; share >= REST_SHARE;) {
    if (performance.now() > deadline) throw new Error(`Centrifugo was not idle in ${REST_SECONDS} s`);
    const [seconds] = await cpuSeconds([pids], () => delay(REST_MS));
    share = (seconds * 1_000) / REST_MS;
  }
}

function describe(result: CentrifugoReturns): string {
  return (
    `returns: ${result.recovered} of ${result.clients} clients recovered, answered in ` +
    `${result.answeredSeconds.toFixed(1)} s, all ${result.missed} messages each after ` +
    `${result.deliveredSeconds.toFixed(1)} s, ${result.wrong} wrong; server ` +
    `${result.serverMicrosPerMessage.toFixed(2)} µs a message and ${result.serverMicrosPerSession.toFixed(0)} µs a ` +
    `session`
  );
}
