/**
 * Messages to subscribers of topic 0, by rate or by window. The generator publishes and measures in its own process.
 */
import path from 'node:path';
import type { Load, LoadResult } from '../generator/load.js';
import type { OnStage, Stage } from './stage.js';

export interface StandingLoad {
  readonly standing: number;
  /** 0: use `window`. */
  readonly messagesPerSecond: number;
  readonly window?: number;
  readonly seconds: number;
}

const WARM_UP_SECONDS = 2;
const DRAIN_SECONDS = 5;
/** Time for start, warm-up and end, beyond the measured time. */
const GRACE_SECONDS = 100;

export async function runStandingLoad(stage: Stage, { target }: OnStage, plan: StandingLoad): Promise<LoadResult> {
  const { protocol, transport, port, path: urlPath, serverPids, brokerPids } = target;
  const load: Load = {
    protocol,
    transport,
    port,
    path: urlPath,
    serverPids,
    brokerPids,
    subscribers: plan.standing,
    topics: 1,
    publishers: 1,
    bodyBytes: 128,
    window: plan.window ?? 0,
    rate: plan.messagesPerSecond,
    settleSeconds: 0.7,
    warmupSeconds: WARM_UP_SECONDS,
    seconds: plan.seconds,
    drainSeconds: DRAIN_SECONDS,
    faultSkip: 0,
  };
  const program = path.join(import.meta.dirname, 'generator.js');
  // the generator never sleeps; this process must still get its share of the core
  const command = ['nice', '-n', '10', process.execPath, program, JSON.stringify(load)];
  return JSON.parse(await stage.processes.run(command, plan.seconds + GRACE_SECONDS)) as LoadResult;
}
