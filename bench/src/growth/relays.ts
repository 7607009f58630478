/**
 * A growing number of relays on one RabbitMQ, each with one subscriber of the same topic. RabbitMQ sends every relay a
 * copy of a message; this measures how much its work per message grows.
 */
import type { LoadResult } from '../generator/load.js';
import type { Started } from '../peers.js';
import { Crowd } from './crowd.js';
import type { Stage } from './stage.js';
import { runStandingLoad } from './standing-load.js';
import type { StandingLoad } from './standing-load.js';

export interface RelaysPlan {
  readonly relays: readonly number[];
  /** By rate, one by one; or by window (`messagesPerSecond` 0), many at a time. */
  readonly loads: readonly Pick<StandingLoad, 'messagesPerSecond' | 'window'>[];
  readonly seconds: number;
}

export interface RelaysStep {
  readonly relays: number;
  /** Messages in flight; 0 if they are sent one by one. */
  readonly window: number;
  readonly messagesPerSecond: number;
  readonly rabbitMicrosPerMessage: number;
  /** For the relay with the publisher; the other relays only receive. */
  readonly relayMicrosPerMessage: number;
  readonly lost: number;
}

export async function measureRelays(stage: Stage, plan: RelaysPlan): Promise<RelaysStep[]> {
  return stage.with('relay', async (on) => {
    const others: Started[] = [];
    const crowds: Crowd[] = [];
    const steps: RelaysStep[] = [];
    try {
      for (const relays of plan.relays) {
        while (others.length < relays - 1) {
          const other = await stage.startRelay(on);
          others.push(other);
          const crowd = new Crowd(other, () => [0]);
          crowds.push(crowd);
          await crowd.growTo(1, () => undefined);
        }
        for (const kind of plan.loads) {
          const { seconds } = plan;
          steps.push(
            stepOf(relays, kind.window ?? 0, await runStandingLoad(stage, on, { ...kind, seconds, standing: 1 })),
          );
          stage.print(`  ${describe(steps.at(-1)!)}`);
        }
      }
    } finally {
      for (const crowd of crowds) crowd.close();
      await Promise.all(others.map((other) => other.stop()));
    }
    return steps;
  });
}

function stepOf(relays: number, window: number, load: LoadResult): RelaysStep {
  const micros = (percent: number): number => (percent * 1e4) / load.publishedPerSecond;
  return {
    relays,
    window,
    messagesPerSecond: load.publishedPerSecond,
    rabbitMicrosPerMessage: micros(load.brokerCpuPercent),
    relayMicrosPerMessage: micros(load.serverCpuPercent),
    lost: load.lost,
  };
}

function describe(step: RelaysStep): string {
  const how = step.window === 0 ? 'one by one' : `${step.window} in flight`;
  return (
    `${step.relays} relays, ${step.messagesPerSecond.toFixed(0)} messages a second (${how}): RabbitMQ ` +
    `${step.rabbitMicrosPerMessage.toFixed(0)} µs a message, the publishing relay ` +
    `${step.relayMicrosPerMessage.toFixed(0)} µs, lost ${step.lost}`
  );
}
