/**
 * A relay dies. Meanwhile messages are published, and then all its clients return to another relay with their positions.
 * Opening the same sessions on the first relay, without anything to recover, is subtracted from the CPU time.
 */
import { readFigures } from '../generator/process-figures.js';
import { RECOVERABLE, startRelay } from '../peers.js';
import { Herd, publishNumbered } from './herd.js';
import { readMetric } from './stage.js';
import type { OnStage, Stage } from './stage.js';

export interface ReturnsPlan {
  readonly clients: number;
  /** Messages that each client has missed. */
  readonly missed: number;
}

export interface ReturnsResult extends ReturnsPlan {
  /** Clients with `relay-recovered:true`. */
  readonly recovered: number;
  /** From the first answer to the last one. */
  readonly answeredSeconds: number;
  /** From the first connection to the last message. */
  readonly deliveredSeconds: number;
  /** Of the relay's event loop, while the clients return. */
  readonly lagP99Ms: number;
  readonly relayMicrosPerMessage: number;
  /** For the sessions and their messages; the time on a core of its own would be a little longer. */
  readonly relayCpuSeconds: number;
  /** Without anything to recover. */
  readonly relayMicrosPerSession: number;
  /** Messages that were lost, duplicated or out of order. */
  readonly wrong: number;
}

const SECONDS_MAX = 120;
const LAG = 'nodejs_eventloop_lag_p99_seconds';

export async function measureReturns(stage: Stage, plan: ReturnsPlan): Promise<ReturnsResult> {
  return stage.with(
    'relay',
    async (on) => {
      const bench = { processes: stage.processes, rabbit: on.rabbit };
      const other = await startRelay(bench, 'rabbitmq', { settings: RECOVERABLE, keepsHistories: true });
      try {
        return await dieAndReturn(stage, on, { ...on, target: other, relayPid: other.serverPids[0] }, plan);
      } finally {
        await other.stop();
      }
    },
    (bench) => startRelay(bench, 'rabbitmq', { settings: RECOVERABLE }),
  );
}

async function dieAndReturn(stage: Stage, first: OnStage, second: OnStage, plan: ReturnsPlan): Promise<ReturnsResult> {
  const { clients, missed } = plan;
  const before = new Herd(first.target, clients, () => 'now');
  const { positions, micros: openMicros } = await openAndDie(before, first, clients);
  stage.print(`  returns: ${clients} clients were connected, and their relay is dead`);
  await publishNumbered(second.target, missed, SECONDS_MAX);

  const herd = new Herd(second.target, clients, (client) => positions[client] ?? '');
  try {
    await readMetric(second, LAG, ''); // begins a new interval
    const begunAt = performance.now();
    const micros = await cpuMicros(second, async () => {
      await herd.open(true, SECONDS_MAX);
      await herd.receive(missed, SECONDS_MAX);
    });
    const lagP99Ms = (await readMetric(second, LAG, '')) * 1_000;
    const result = {
      ...plan,
      recovered: herd.verdicts.get('true') ?? 0,
      answeredSeconds: (herd.lastAnswerAt - herd.firstAnswerAt) / 1_000,
      deliveredSeconds: (herd.lastDeliveryAt - begunAt) / 1_000,
      lagP99Ms,
      relayMicrosPerMessage: (micros - openMicros) / (clients * missed),
      relayCpuSeconds: micros / 1e6,
      relayMicrosPerSession: openMicros / clients,
      wrong: herd.wrong,
    };
    stage.print(`  ${describe(result)}`);
    return result;
  } finally {
    herd.close();
  }
}

async function openAndDie(herd: Herd, on: OnStage, clients: number): Promise<{ positions: string[]; micros: number }> {
  try {
    const micros = await cpuMicros(on, () => herd.open(true, SECONDS_MAX));
    const known = herd.positions.filter((position) => position !== '').length;
    if (known < clients) throw new Error(`${clients - known} of ${clients} clients got no position`);
    return { positions: herd.positions, micros };
  } finally {
    herd.close();
    process.kill(on.relayPid ?? 0, 'SIGKILL');
  }
}

/** The relay's CPU time during `work`. */
async function cpuMicros({ relayPid = 0 }: OnStage, work: () => Promise<void>): Promise<number> {
  const { cpuSeconds } = readFigures([relayPid]);
  await work();
  return (readFigures([relayPid]).cpuSeconds - cpuSeconds) * 1e6;
}

function describe(result: ReturnsResult): string {
  return (
    `returns: ${result.recovered} of ${result.clients} clients recovered, answered in ` +
    `${result.answeredSeconds.toFixed(1)} s, all ${result.missed} messages each after ` +
    `${result.deliveredSeconds.toFixed(1)} s, ${result.wrong} wrong; lag p99 ${result.lagP99Ms.toFixed(0)} ms, relay ` +
    `${result.relayMicrosPerMessage.toFixed(2)} µs a message and ${result.relayMicrosPerSession.toFixed(0)} µs a session`
  );
}
