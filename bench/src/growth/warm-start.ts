/**
 * The start of a relay whose rule has many recent messages, which it reads into its ring before it is ready. They are
 * published at a steady rate, so that RabbitMQ stores them as in production, in small chunks. The start on the empty
 * stream is subtracted from time in the CPU and memory.
 */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { readFigures } from '../generator/process-figures.js';
import { startRelay } from '../peers.js';
import type { Bench, Settings, Started } from '../peers.js';
import type { Stage } from './stage.js';
import { readMetric } from './stage.js';
import { runStandingLoad } from './standing-load.js';

export interface WarmStartPlan {
  readonly messagesPerSecond: number;
  readonly seconds: number;
}

export interface WarmStartResult {
  readonly messages: number;
  readonly readySeconds: number;
  readonly emptyReadySeconds: number;
  readonly relayMicrosPerMessage: number;
  readonly rabbitMicrosPerMessage: number;
  /** As the relay counts its ring, and as its resident memory grows. */
  readonly ringBytesPerMessage: number;
  readonly relayBytesPerMessage: number;
  readonly diskBytesPerMessage: number;
}

interface Start {
  readonly started: Started;
  readonly readySeconds: number;
  readonly cpuSeconds: number;
  readonly rssKib: number;
}

const DAY_MS = 86_400_000;
/** The ring takes all messages. */
const SETTINGS: Settings = {
  history: { rules: [{ name: 'bench', match: '/topic/#' }], ringMaxBytes: 512 * 1024 * 1024, warmUpMs: DAY_MS },
};
const READY_SECONDS = 60;
const POLL_MS = 10;

export async function measureWarmStart(stage: Stage, plan: WarmStartPlan): Promise<WarmStartResult> {
  let empty: Start | undefined;
  return stage.with(
    'relay',
    async (on) => {
      const before = diskKib(on.rabbit.node.handle);
      const load = await runStandingLoad(stage, on, { standing: 1, ...plan });
      if (load.lost > 0) throw new Error(`${load.lost} messages were lost: ${load.firstProblem}`);
      const diskBytes = (diskKib(on.rabbit.node.handle) - before) * 1024;
      const rabbit = readFigures([on.rabbit.pid]).cpuSeconds;
      const warm = await start({ processes: stage.processes, rabbit: on.rabbit }, true);
      try {
        const messages = load.unique;
        const each = (value: number): number => value / messages;
        const ring = await readMetric({ ...on, target: warm.started }, 'history_ring_bytes');
        const result = {
          messages,
          readySeconds: warm.readySeconds,
          emptyReadySeconds: empty?.readySeconds ?? NaN,
          relayMicrosPerMessage: each((warm.cpuSeconds - (empty?.cpuSeconds ?? NaN)) * 1e6),
          rabbitMicrosPerMessage: each((readFigures([on.rabbit.pid]).cpuSeconds - rabbit) * 1e6),
          ringBytesPerMessage: each(ring),
          relayBytesPerMessage: each((warm.rssKib - (empty?.rssKib ?? NaN)) * 1024),
          diskBytesPerMessage: each(diskBytes),
        };
        stage.print(`  ${describe(result)}`);
        return result;
      } finally {
        await warm.started.stop();
      }
    },
    async (bench) => {
      empty = await start(bench, false);
      return empty.started;
    },
  );
}

async function start(bench: Bench, keepsHistories: boolean): Promise<Start> {
  const begunAt = performance.now();
  const started = await startRelay(bench, 'rabbitmq', { settings: SETTINGS, keepsHistories });
  try {
    await untilReady(started.adminPort ?? 0);
    const readySeconds = (performance.now() - begunAt) / 1_000;
    return { started, readySeconds, ...readFigures(started.serverPids) };
  } catch (error) {
    await started.stop();
    throw error;
  }
}

async function untilReady(port: number): Promise<void> {
  const deadline = performance.now() + READY_SECONDS * 1_000;
  // The admin port may open after the clients' port
  const isReady = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/readyz`, { signal: AbortSignal.timeout(10_000) }).then(
      (response) => response.arrayBuffer().then(() => response.ok),
      () => false,
    );
  while (!(await isReady())) {
    if (performance.now() > deadline) throw new Error(`the relay was not ready in ${READY_SECONDS} s`);
    await delay(POLL_MS);
  }
}

function diskKib(folder: string): number {
  return parseInt(execFileSync('du', ['-sk', folder]).toString(), 10);
}

function describe(result: WarmStartResult): string {
  return (
    `warm-start: ${result.messages} messages, ready after ${result.readySeconds.toFixed(1)} s (without any: ` +
    `${result.emptyReadySeconds.toFixed(1)} s); each: relay ${result.relayMicrosPerMessage.toFixed(1)} µs, RabbitMQ ` +
    `${result.rabbitMicrosPerMessage.toFixed(1)} µs, ring ${result.ringBytesPerMessage.toFixed(0)} B, process ` +
    `${result.relayBytesPerMessage.toFixed(0)} B, disk ${result.diskBytesPerMessage.toFixed(0)} B`
  );
}
