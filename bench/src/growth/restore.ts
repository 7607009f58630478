/**
 * The time to recover after RabbitMQ has closed the relay's connections, and after a restart of RabbitMQ: until all
 * bindings exist again and a message to the last topic arrives.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Crowd } from './crowd.js';
import { countBroker } from './footprint.js';
import { roundRobin } from './scaling.js';
import { readMetric } from './stage.js';
import type { OnStage, Stage } from './stage.js';

export interface RestorePlan {
  readonly sessions: number;
  readonly each: number;
}

export interface RestoreResult {
  readonly how: 'connections closed' | 'node restarted';
  readonly topics: number;
  /** From the loss to the new connection: the broker's start and the relay's reconnect delay. */
  readonly awaySeconds: number;
  /** From the new connection to the last binding. */
  readonly bindSeconds: number;
  readonly bindsPerSecond: number;
  /** From a publish to the last topic, after the last binding, to its delivery. */
  readonly probeMs: number;
  readonly bindings: number;
  readonly sessionsLost: number;
}

const POLL_MS = 50;
const RESTORE_SECONDS = 300;
const PROBE_SECONDS = 10;

export async function measureRestore(stage: Stage, plan: RestorePlan): Promise<RestoreResult[]> {
  return stage.with('relay', async (on) => {
    const topics = plan.sessions * plan.each;
    const crowd = new Crowd(on.target, roundRobin(topics, plan.each));
    try {
      const seconds = await crowd.growTo(plan.sessions, (ready) => stage.print(`  restore: ${ready} sessions ready`));
      stage.print(`  restore: ${topics} topics subscribed to in ${seconds.toFixed(1)} s`);
      const { node } = on.rabbit;
      const results: RestoreResult[] = [];
      results.push(
        await restore(on, crowd, topics, 'connections closed', () => node.ctl('close_all_connections', 'bench')),
      );
      stage.print(`  ${describe(results[0] as RestoreResult)}`);
      results.push(
        await restore(on, crowd, topics, 'node restarted', async () => {
          await node.kill('SIGTERM');
          await node.start();
        }),
      );
      stage.print(`  ${describe(results[1] as RestoreResult)}`);
      return results;
    } finally {
      crowd.close();
    }
  });
}

async function restore(
  on: OnStage,
  crowd: Crowd,
  topics: number,
  how: RestoreResult['how'],
  cut: () => Promise<unknown>,
): Promise<RestoreResult> {
  const cutting = cut();
  cutting.catch(() => undefined); // awaited below
  const lostAt = await until(on, 'broker_up', (up) => up === 0);
  const upAt = await until(on, 'broker_up', (up) => up === 1);
  const boundAt = await until(on, 'broker_bindings_pending', (pending) => pending === 0);
  await cutting;
  const probeMs = await probe(crowd, topics - 1);
  const bindSeconds = (boundAt - upAt) / 1_000;
  const { bindings } = await countBroker(on.rabbit);
  return {
    how,
    topics,
    awaySeconds: (upAt - lostAt) / 1_000,
    bindSeconds,
    bindsPerSecond: topics / bindSeconds,
    probeMs,
    bindings,
    sessionsLost: crowd.ended,
  };
}

/** Resolves with the time at which the metric met the condition. */
async function until(on: OnStage, metric: string, isSo: (value: number) => boolean): Promise<number> {
  const deadline = Date.now() + RESTORE_SECONDS * 1_000;
  while (!isSo(await readMetric(on, metric))) {
    if (Date.now() > deadline) throw new Error(`${metric} did not change in ${RESTORE_SECONDS} s`);
    await delay(POLL_MS);
  }
  return performance.now();
}

async function probe(crowd: Crowd, topic: number): Promise<number> {
  const begun = performance.now();
  const arrived = new Promise<number>((resolve) => {
    crowd.delivered = (to) => {
      if (to === topic) resolve(performance.now() - begun);
    };
  });
  crowd.browsers[0]?.publish(topic);
  const ms = await Promise.race([arrived, delay(PROBE_SECONDS * 1_000, NaN, { ref: false })]);
  if (Number.isNaN(ms)) throw new Error(`a message to the last topic did not arrive in ${PROBE_SECONDS} s`);
  return ms;
}

function describe(result: RestoreResult): string {
  return (
    `${result.how}: away for ${result.awaySeconds.toFixed(1)} s, ${result.topics} topics bound in ` +
    `${result.bindSeconds.toFixed(1)} s (${result.bindsPerSecond.toFixed(0)}/s, ${result.bindings} bindings), ` +
    `probe after ${result.probeMs.toFixed(1)} ms, ${result.sessionsLost} sessions lost`
  );
}
