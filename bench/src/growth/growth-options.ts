/** The command line of the growth measurement, and the sizes of its parts. */
import { parseArgs } from 'node:util';
import type { BehindPlan } from './behind.js';
import type { ChurnPlan } from './churn.js';
import type { RelaysPlan } from './relays.js';
import type { RestorePlan } from './restore.js';
import type { ReturnsPlan } from './returns.js';
import type { ScalingPlan } from './scaling.js';
import type { StandingLoad } from './standing-load.js';
import type { WarmStartPlan } from './warm-start.js';

export const PART_NAMES = [
  'sessions',
  'topics',
  'relays',
  'churn',
  'restore',
  'profile',
  'returns',
  'behind',
  'warm-start',
] as const;
export type PartName = (typeof PART_NAMES)[number];

export interface GrowthPlan {
  readonly scaling: ScalingPlan;
  readonly relays: RelaysPlan;
  readonly churn: ChurnPlan;
  readonly restore: RestorePlan;
  readonly profile: StandingLoad;
  readonly returns: ReturnsPlan;
  readonly behind: BehindPlan;
  readonly warmStart: WarmStartPlan;
}

export interface GrowthOptions {
  readonly parts: readonly PartName[];
  readonly plan: GrowthPlan;
  readonly isSmall: boolean;
  readonly hasLanes: boolean;
  /** Whether to write the charts to `docs` as well. */
  readonly isForDocs: boolean;
}

export const USAGE = `npm run bench:growth -- [options]
  --parts a,b   parts to measure, of ${PART_NAMES.join(', ')}; the other parts keep their results
  --lanes       relays with a lane for all topics (rabbitmq.lanes); results in bench/results/lanes
  --small       about a tenth of all sizes, to check that it works
  --docs        redraws the charts of docs/performance.md`;

const CHURN = [
  { name: 'no churn', rate: 0, topics: 0 },
  { name: '1,000 a second over 200 topics', rate: 1_000, topics: 200 },
  { name: '400 a second over distinct topics', rate: 400, topics: 0 },
];

const FULL: GrowthPlan = {
  scaling: {
    sessions: { relay: [100, 1_000, 10_000], 'web-stomp': [100, 1_000] },
    fewTopics: 10,
    topics: {
      relay: { steps: [10, 1_000, 50_000], sessions: 500, each: 100 },
      'web-stomp': { steps: [10, 1_000], sessions: 500, each: 2 },
    },
    idleSeconds: 8,
  },
  relays: {
    relays: [1, 8, 24],
    loads: [{ messagesPerSecond: 300 }, { messagesPerSecond: 0, window: 32 }],
    seconds: 6,
  },
  churn: { sessions: 500, standing: 200, messagesPerSecond: 100, seconds: 15, kinds: CHURN },
  restore: { sessions: 500, each: 100 },
  profile: { standing: 1_000, messagesPerSecond: 0, window: 32, seconds: 10 },
  returns: { clients: 10_000, missed: 100 },
  behind: { clients: 100, missed: 10_000 },
  warmStart: { messagesPerSecond: 840, seconds: 118 },
};

const SMALL: GrowthPlan = {
  scaling: {
    sessions: { relay: [10, 100, 1_000], 'web-stomp': [10, 100] },
    fewTopics: 10,
    topics: {
      relay: { steps: [10, 100, 5_000], sessions: 50, each: 100 },
      'web-stomp': { steps: [10, 100], sessions: 50, each: 2 },
    },
    idleSeconds: 3,
  },
  relays: {
    relays: [1, 2],
    loads: [{ messagesPerSecond: 100 }, { messagesPerSecond: 0, window: 32 }],
    seconds: 2,
  },
  churn: {
    sessions: 50,
    standing: 20,
    messagesPerSecond: 100,
    seconds: 3,
    kinds: CHURN.map((kind) => ({ ...kind, rate: kind.rate / 10, topics: kind.topics / 10 })),
  },
  restore: { sessions: 50, each: 100 },
  profile: { standing: 100, messagesPerSecond: 0, window: 32, seconds: 3 },
  returns: { clients: 2_000, missed: 100 },
  behind: { clients: 100, missed: 1_000 },
  warmStart: { messagesPerSecond: 840, seconds: 10 },
};

export function readGrowthOptions(args: readonly string[]): GrowthOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      parts: { type: 'string', default: PART_NAMES.join(',') },
      lanes: { type: 'boolean', default: false },
      small: { type: 'boolean', default: false },
      docs: { type: 'boolean', default: false },
    },
  });
  if (values.lanes && values.docs) throw new Error('--docs cannot be combined with --lanes: it draws the plain relay');
  const parts = values.parts.split(',');
  const unknown = parts.find((part) => !PART_NAMES.includes(part as PartName));
  if (unknown !== undefined) throw new Error(`there is no part ${unknown}; the parts are ${PART_NAMES.join(', ')}`);
  return {
    parts: parts as PartName[],
    plan: values.small ? SMALL : FULL,
    isSmall: values.small,
    hasLanes: values.lanes,
    isForDocs: values.docs,
  };
}
