/** Uses the histories of a broker as a session does. For tests of brokers. */
import type { SharedDestination } from '../brokers/broker.js';
import type { Gap, HistoryFeed, Replay, ReplayedMessage, ReplayStep, Resumption } from '../brokers/history.js';
import { subscribed } from './broker-desk.js';
import type { BrokerDesk, Heard, Hearing } from './broker-desk.js';
import { withDeadline } from './test-deadline.js';
import { Inbox } from './test-inbox.js';

export interface Following extends Hearing {
  readonly feed: HistoryFeed;
  readonly gaps: readonly Gap[];
  /** Waits for messages, and returns their positions. */
  readonly positions: (count: number) => Promise<string[]>;
}

const WAIT_MS = 20_000;
const CHUNK_BYTES = 10_000;

export class FeedDesk {
  constructor(private readonly desk: BrokerDesk) {}

  feedOf(to: string, user?: string): HistoryFeed | undefined {
    return this.desk.broker.historyOf?.(subscribed(to, user) as SharedDestination);
  }

  /** Subscribes at the feed. */
  async follow(to: string, user?: string): Promise<Following> {
    const feed = this.existing(to, user);
    const inbox = new Inbox<Heard>(`follower of ${to}`);
    const gaps: Gap[] = [];
    const subscription = await feed.subscribe(
      subscribed(to, user) as SharedDestination,
      (message, key) => inbox.add({ message, key }),
      { ended: () => undefined, gap: (gap) => gaps.push(gap) },
    );
    this.desk.add(subscription);
    const messages = async (count: number) => (await inbox.take(count)).map(({ message }) => message);
    return {
      feed,
      inbox,
      subscription,
      gaps,
      bodies: async (count) => (await messages(count)).map(({ body }) => body.toString()),
      positions: async (count) => (await messages(count)).map(({ position = '' }) => position),
    };
  }

  resume(to: string, position: string, user?: string): Promise<Resumption> {
    const destination = subscribed(to, user) as SharedDestination;
    const resumed = this.existing(to, user).resume(destination, position);
    return withDeadline(resumed, WAIT_MS, () => `resume of ${to}`);
  }

  /** Everything that was sent behind the position. Fails if the position is not honoured. */
  async missed(to: string, position: string, user?: string): Promise<readonly ReplayedMessage[]> {
    // An instance that is a little behind would deliver the rest live
    const { subscription } = await this.follow(to, user);
    await subscription.flush?.();
    await subscription.close();
    const resumption = await this.resume(to, position, user);
    if (!resumption.recovered) throw new Error(`${to} was not recovered: ${resumption.reason}`);
    return withDeadline(readAll(resumption.replay), WAIT_MS, () => `replay of ${to}`);
  }

  private existing(to: string, user: string | undefined): HistoryFeed {
    const feed = this.feedOf(to, user);
    if (feed) return feed;
    throw new Error(`The ${this.desk.broker.description} has no history of ${to}.`);
  }
}

async function readAll(replay: Replay): Promise<readonly ReplayedMessage[]> {
  const all: ReplayedMessage[] = [];
  for (;;) {
    const step: ReplayStep = replay.next(CHUNK_BYTES);
    if (step.kind === 'messages') all.push(...step.messages);
    else if (step.kind === 'wait') await new Promise<void>((resolve) => replay.onReady(resolve));
    else if (step.kind === 'live') return all;
    else throw new Error(`The replay was interrupted: ${step.reason}`);
  }
}
