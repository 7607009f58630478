/** Two parts: a growing number of sessions on a few topics, and a fixed number of subscriptions on more topics. */
import { Crowd } from './crowd.js';
import type { TopicsOf } from './crowd.js';
import { measureFootprint } from './footprint.js';
import type { Footprint } from './footprint.js';
import type { OnStage, ServerName, Stage } from './stage.js';

/** Time for the servers to clean up after the last session has opened. */
const SETTLE_MS = 3_000;

export interface ScalingPlan {
  /** Numbers of sessions, each with one of `fewTopics` topics. */
  readonly sessions: Readonly<Record<ServerName, readonly number[]>>;
  readonly fewTopics: number;
  /** Numbers of topics (`steps`), for `sessions` sessions with `each` subscriptions. */
  readonly topics: Readonly<
    Record<ServerName, { readonly steps: readonly number[]; readonly sessions: number; readonly each: number }>
  >;
  readonly idleSeconds: number;
}

export interface Step extends Footprint {
  readonly server: ServerName;
  readonly sessions: number;
  readonly topics: number;
  readonly subscriptions: number;
  /** From the first connection to the last confirmed subscription. */
  readonly setUpSeconds: number;
}

const SERVERS: readonly ServerName[] = ['relay', 'web-stomp'];

/** Measures one server of each kind; each step keeps the sessions of the previous one. */
export async function measureSessions(stage: Stage, plan: ScalingPlan, servers = SERVERS): Promise<Step[]> {
  const steps: Step[] = [];
  for (const server of servers) {
    await stage.with(server, async (on) => {
      const crowd = new Crowd(on.target, (session) => [session % plan.fewTopics]);
      try {
        for (const sessions of [0, ...plan.sessions[server]]) {
          const shape = { server, sessions, topics: Math.min(sessions, plan.fewTopics), subscriptions: sessions };
          steps.push(await takeStep(stage, on, crowd, shape, plan.idleSeconds));
        }
      } finally {
        crowd.close();
      }
    });
  }
  return steps;
}

/** Starts a fresh server for each number of topics, so that all steps have the same history. */
export async function measureTopics(stage: Stage, plan: ScalingPlan, servers = SERVERS): Promise<Step[]> {
  const steps: Step[] = [];
  for (const server of servers) {
    const { steps: counts, sessions, each } = plan.topics[server];
    for (const topics of counts) {
      await stage.with(server, async (on) => {
        const crowd = new Crowd(on.target, roundRobin(topics, each));
        try {
          const shape = { server, sessions, topics, subscriptions: sessions * each };
          steps.push(await takeStep(stage, on, crowd, shape, plan.idleSeconds));
        } finally {
          crowd.close();
        }
      });
    }
  }
  return steps;
}

/** Distributes all subscriptions over the topics in turn. */
export function roundRobin(topics: number, each: number): TopicsOf {
  return (session) => Array.from({ length: each }, (_, i) => (session * each + i) % topics);
}

async function takeStep(
  stage: Stage,
  on: OnStage,
  crowd: Crowd,
  shape: Pick<Step, 'server' | 'sessions' | 'topics' | 'subscriptions'>,
  idleSeconds: number,
): Promise<Step> {
  const name = `${shape.server}, ${shape.sessions} sessions, ${shape.topics} topics`;
  const setUpSeconds = await crowd.growTo(shape.sessions, (ready) => stage.print(`  ${name}: ${ready} ready`));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const footprint = await measureFootprint(on.rabbit, on.relayPid, idleSeconds);
  if (crowd.ended > 0 || crowd.firstProblem !== '') throw new Error(`${name}: ${crowd.firstProblem}`);
  const step = { ...shape, ...footprint, setUpSeconds };
  stage.print(
    `  ${name}: ${step.queues} queues, ${step.bindings} bindings, ${step.connections} connections, ` +
      `${step.channels} channels, RabbitMQ ${step.memoryMib.toFixed(1)} MiB and ${step.rabbitCpuPercent.toFixed(1)} % CPU, ` +
      `relay ${step.relayMib.toFixed(1)} MiB and ${step.relayCpuPercent.toFixed(1)} %; set up in ${setUpSeconds.toFixed(1)} s`,
  );
  return step;
}
