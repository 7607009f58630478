/**
 * A growing number of relays on one RabbitMQ, each with one subscriber of the same topic. RabbitMQ sends every relay a
 * copy of a message; this measures how much its work per message grows.
 */
import { PEERS } from '../peers.js';
import type { Started } from '../peers.js';
import { Crowd } from './crowd.js';
import type { Stage } from './stage.js';
import { runStandingLoad } from './standing-load.js';

export interface RelaysPlan {
  readonly relays: readonly number[];
  readonly messagesPerSecond: number;
  readonly seconds: number;
}

export interface RelaysStep {
  readonly relays: number;
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
          const other = await PEERS.relay.start({ processes: stage.processes, rabbit: on.rabbit });
          others.push(other);
          const crowd = new Crowd(other, () => [0]);
          crowds.push(crowd);
          await crowd.growTo(1, () => undefined);
        }
        const load = await runStandingLoad(stage, on, { ...plan, standing: 1 });
        const micros = (percent: number): number => (percent * 1e4) / load.publishedPerSecond;
        const step = {
          relays,
          messagesPerSecond: load.publishedPerSecond,
          rabbitMicrosPerMessage: micros(load.brokerCpuPercent),
          relayMicrosPerMessage: micros(load.serverCpuPercent),
          lost: load.lost,
        };
        stage.print(
          `  ${relays} relays, ${step.messagesPerSecond.toFixed(0)} messages a second: RabbitMQ ` +
            `${step.rabbitMicrosPerMessage.toFixed(0)} µs a message, the publishing relay ` +
            `${step.relayMicrosPerMessage.toFixed(0)} µs, lost ${step.lost}`,
        );
        steps.push(step);
      }
    } finally {
      for (const crowd of crowds) crowd.close();
      await Promise.all(others.map((other) => other.stop()));
    }
    return steps;
  });
}
