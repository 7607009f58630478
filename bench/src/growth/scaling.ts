/** Two parts: more and more sessions on a few topics, and the same subscriptions on more and more topics. */
import { Crowd, type TopicsOf } from './crowd.js';
import { type Footprint, measureFootprint } from './footprint.js';
import type { OnStage, ServerName, Stage } from './stage.js';

/** After the last session: what setting up has left behind is tidied up. */
const SETTLE_MS = 3_000;

export interface ScalingPlan {
  /** Numbers of sessions, on `fewTopics` topics, one each. */
  readonly sessions: Readonly<Record<ServerName, readonly number[]>>;
  readonly fewTopics: number;
  /** Numbers of topics, under so many subscriptions. */
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

/** One server of each kind; the sessions of a step stay for the next. */
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

/** A fresh server for each number of topics, so that all have had the same to do. */
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

/** All subscriptions dealt out over the topics in turn. */
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
  const setUpSeconds = await crowd.growTo(shape.sessions, (ready) => stage.say(`  ${name}: ${ready} ready`));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const footprint = await measureFootprint(on.rabbit, on.relayPid, idleSeconds);
  if (crowd.ended > 0 || crowd.firstProblem !== '') throw new Error(`${name}: ${crowd.firstProblem}`);
  const step = { ...shape, ...footprint, setUpSeconds };
  stage.say(
    `  ${name}: ${step.queues} queues, ${step.bindings} bindings, ${step.connections} connections, ` +
      `${step.channels} channels, RabbitMQ ${step.memoryMib.toFixed(1)} MiB and ${step.rabbitCpuPercent.toFixed(1)} % CPU, ` +
      `relay ${step.relayMib.toFixed(1)} MiB and ${step.relayCpuPercent.toFixed(1)} %; set up in ${setUpSeconds.toFixed(1)} s`,
  );
  return step;
}
