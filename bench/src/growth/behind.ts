/** Clients that are further behind than the relay's ring reaches, so that a reader of the stream serves them. */
import { setTimeout as delay } from 'node:timers/promises';
import { readFigures } from '../generator/process-figures.js';
import { startRelay } from '../peers.js';
import type { Settings } from '../peers.js';
import { Herd, publishNumbered } from './herd.js';
import { HighMark } from './high-mark.js';
import { readMetric } from './stage.js';
import type { OnStage, Stage } from './stage.js';

export interface BehindPlan {
  readonly clients: number;
  readonly missed: number;
}

export interface BehindResult extends BehindPlan {
  readonly recovered: number;
  /** From the first SUBSCRIBE to the last message. */
  readonly seconds: number;
  /** The highest number of readers at the same time. */
  readonly readers: number;
  /** Entries that RabbitMQ has sent to the relay, as a multiple of the messages. */
  readonly timesRead: number;
  readonly relayCpuSeconds: number;
  readonly rabbitCpuSeconds: number;
  readonly wrong: number;
}

/** The smallest ring: only a reader reaches the older messages. */
const SETTINGS: Settings = { history: { rules: [{ name: 'bench', match: '/topic/#' }], ringMaxCount: 100 } };
const SECONDS_MAX = 60;
const POLL_MS = 20;
/** Longer than the node collects statistics. */
const STATISTICS_MS = 6_000;

export async function measureBehind(stage: Stage, plan: BehindPlan): Promise<BehindResult> {
  return stage.with(
    'relay',
    async (on) => {
      const watcher = new Herd(on.target, 1, () => 'now');
      await watcher.open(true, SECONDS_MAX);
      const [position = ''] = watcher.positions;
      watcher.close();
      await publishNumbered(on.target, plan.missed, SECONDS_MAX);
      return catchUp(stage, on, plan, position);
    },
    (bench) => startRelay(bench, 'rabbitmq', { settings: SETTINGS }),
  );
}

async function catchUp(stage: Stage, on: OnStage, plan: BehindPlan, position: string): Promise<BehindResult> {
  const herd = new Herd(on.target, plan.clients, () => position);
  try {
    await herd.open(false, SECONDS_MAX);
    await delay(STATISTICS_MS);
    const sent = await on.rabbit.sentOfHistory('bench');
    const readers = new HighMark(() => readMetric(on, 'history_readers'), POLL_MS);
    const from = figures(on);
    const begunAt = performance.now();
    await herd.subscribe(SECONDS_MAX);
    await herd.receive(plan.missed, SECONDS_MAX);
    const to = figures(on);
    const readersMax = await readers.stop();
    await delay(STATISTICS_MS);
    const result = {
      ...plan,
      recovered: herd.verdicts.get('true') ?? 0,
      seconds: (herd.lastDeliveryAt - begunAt) / 1_000,
      readers: readersMax,
      timesRead: ((await on.rabbit.sentOfHistory('bench')) - sent) / plan.missed,
      relayCpuSeconds: to.relay - from.relay,
      rabbitCpuSeconds: to.rabbit - from.rabbit,
      wrong: herd.wrong,
    };
    stage.print(`  ${describe(result)}`);
    return result;
  } finally {
    herd.close();
  }
}

function figures({ relayPid = 0, rabbit }: OnStage): { relay: number; rabbit: number } {
  return { relay: readFigures([relayPid]).cpuSeconds, rabbit: readFigures([rabbit.pid]).cpuSeconds };
}

function describe(result: BehindResult): string {
  return (
    `behind: ${result.recovered} of ${result.clients} clients recovered ${result.missed} messages each in ` +
    `${result.seconds.toFixed(2)} s, ${result.wrong} wrong; ${result.readers} readers, the gap read ` +
    `${result.timesRead.toFixed(2)} times; CPU of relay ${result.relayCpuSeconds.toFixed(2)} s, ` +
    `of RabbitMQ ${result.rabbitCpuSeconds.toFixed(2)} s`
  );
}
