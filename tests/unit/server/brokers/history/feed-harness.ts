/** A relay's feed over a scripted log, with a clock that the test moves. */
import type { SharedDestination } from '../../../../../server/src/brokers/broker.js';
import type { HistorySettings } from '../../../../../server/src/brokers/history/feed-settings.js';
import { HistoryCounters } from '../../../../../server/src/brokers/history/history-counters.js';
import { placeOfRule } from '../../../../../server/src/brokers/history/history-rules.js';
import { LogFeed } from '../../../../../server/src/brokers/history/log-feed.js';
import { ReaderPool } from '../../../../../server/src/brokers/history/reader-pool.js';
import type { Gap, Replay, ReplayStep, Resumption } from '../../../../../server/src/brokers/history.js';
import { createConfig } from '../../../../../server/src/config.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';
import type { ManualClock } from './manual-clock.js';
import { settle } from './manual-clock.js';
import type { ScriptedLog } from './scripted-log.js';

export const RULE = { name: 'r', match: '/topic/t.#', maxAgeMs: 1_000, maxBytes: 2 ** 20 };
const { history, topics } = createConfig({ history: { rules: [RULE] } });

export function topic(text: string): SharedDestination {
  return parseDestination(text, 'subscribe') as SharedDestination;
}

export interface FeedSetUp {
  readonly log: ScriptedLog;
  readonly clock: ManualClock;
  readonly settings?: Partial<HistorySettings>;
  readonly isEmbedded?: boolean;
  readonly gatherMs?: number;
}

export function makeFeed({ log, clock, settings, isEmbedded = false, gatherMs = 0 }: FeedSetUp): LogFeed {
  const counters = new HistoryCounters();
  const all = { ...history, ...settings };
  const options = { history: all, topics, isEmbedded };
  const pool = new ReaderPool(all, counters, gatherMs);
  return new LogFeed({ place: placeOfRule(RULE), log, options, clock, counters, pool });
}

/** Bodies and gaps, in the order of the calls. */
export interface Followed {
  readonly bodies: string[];
  readonly positions: string[];
  readonly gaps: Gap[];
  readonly close: () => Promise<void>;
}

export async function follow(feed: LogFeed, to = '/topic/t.#'): Promise<Followed> {
  const bodies: string[] = [];
  const positions: string[] = [];
  const gaps: Gap[] = [];
  const subscription = await feed.subscribe(
    topic(to),
    ({ body, position = 'none' }) => {
      bodies.push(body.toString());
      positions.push(position);
    },
    {
      ended: () => undefined,
      gap: (gap) => {
        gaps.push(gap);
        bodies.push('gap');
      },
    },
  );
  return { bodies, positions, gaps, close: () => subscription.close() };
}

/** Reads a replay until it waits, ends or is live. */
export function drain(replay: Replay, maxBytes = 100_000): { bodies: string[]; end: ReplayStep['kind'] } {
  const bodies: string[] = [];
  for (;;) {
    const step = replay.next(maxBytes);
    if (step.kind !== 'messages') return { bodies, end: step.kind };
    bodies.push(...step.messages.map(({ message }) => message.body.toString()));
  }
}

/** The bodies that the client gets, or the reason. */
export async function missed(
  feed: LogFeed,
  position: string,
  to = '/topic/t.#',
  account?: string,
): Promise<string[] | string> {
  const resumption = await feed.resume(topic(to), position, account);
  if (!resumption.recovered) return resumption.reason;
  const all: string[] = [];
  for (let turns = 0; turns < 10_000; turns++) {
    const { bodies, end } = drain(resumption.replay);
    all.push(...bodies);
    if (end === 'live') return all;
    if (end === 'interrupted') return 'interrupted';
    await new Promise<void>((resolve) => resumption.replay.onReady(resolve));
  }
  throw new Error('the replay does not end');
}

export function reasonOf(resumption: Resumption): string {
  return resumption.recovered ? 'recovered' : resumption.reason;
}

export { settle };
