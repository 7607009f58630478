/**
 * Feeds: what many streams have subscribed to alike is one subscription at the broker, and one event for all of them. As
 * with groups of STOMP sessions, what comes in one turn of the event loop is joined and written once to each.
 */
import type {
  BrokerError,
  BrokerSubscription,
  Listener,
  RoutedMessage,
  SharedDestination,
} from '../../brokers/broker.js';
import { joinedWrites } from '../../delivery/joined-writes.js';
import { Gaps } from '../../delivery/gaps.js';
import type { EventEncoder } from './event-encoder.js';

/** A stream, as far as a feed needs to know it. */
export interface FeedMember {
  /** What a message for one session only names it by. */
  readonly id: string;
  /** False where it has gone before its feeds were live. */
  readonly isWaiting: boolean;
  /** It is in all its feeds; `leave` ends that. */
  onLive(leave: () => void): void;
  /** Whole events, cut anywhere. MUST NOT wait. It may leave the feed from inside. */
  write(...pieces: readonly Buffer[]): void;
  /** The broker has ended the subscription for good. */
  onFeedEnded(error: BrokerError): void;
}

export interface FeedSources {
  subscribe(
    destination: SharedDestination,
    listener: Listener,
    ended: (error: BrokerError) => void,
  ): Promise<BrokerSubscription>;
  /** Where a message came from, as its subscriber is shown it. */
  shownTo(destination: SharedDestination, message: RoutedMessage, key: string): string;
  readonly events: EventEncoder;
  readonly counters: { streamEvents: number };
  readonly sessionCounters: { messagesTooLarge: number };
}

class Feed {
  readonly members = new Set<FeedMember>();
  /** Settles when the broker's subscription is live. */
  readonly live: Promise<BrokerSubscription>;
  /** Streams that wait for `live`. */
  joining = 0;
  /** Both parts of each event. */
  private waiting: Buffer[] = [];
  private waitingCount = 0;
  /** Messages that were too large. */
  private readonly gaps = new Gaps<FeedMember>();

  constructor(
    readonly key: string,
    private readonly destination: SharedDestination,
    private readonly sources: FeedSources,
    onEnded: () => void,
  ) {
    const deliver: Listener = (message, key) => this.deliver(message, key);
    this.live = sources.subscribe(destination, deliver, (error) => {
      onEnded();
      for (const member of [...this.members]) member.onFeedEnded(error);
    });
  }

  /** Called by the broker, once for each message that matches. */
  private deliver(message: RoutedMessage, key: string): void {
    if (this.members.size === 0) return;
    const { toSession } = message;
    const isForOne = this.destination.kind === 'user' && toSession !== undefined;
    const event = this.encode(message, key);
    if (isForOne || !event || !this.gaps.isEmpty) {
      const members = [...this.members].filter(({ id }) => !isForOne || id === toSession);
      return event ? this.deliverAtOnce(members, message, key) : this.leaveOut(members);
    }
    this.waitingCount++;
    if (this.waiting.length === 0) setImmediate(() => this.flush());
    this.waiting.push(...event);
  }

  private encode(message: RoutedMessage, key: string, missed = 0): readonly [Buffer, Buffer] | undefined {
    const { sources } = this;
    return sources.events.encode(sources.shownTo(this.destination, message, key), message, missed);
  }

  private leaveOut(members: readonly FeedMember[]): void {
    this.gaps.add(members);
    this.sources.sessionCounters.messagesTooLarge += members.length;
  }

  /** Behind all that came before: for one session of the user, or where some streams are told what they have missed. */
  private deliverAtOnce(members: readonly FeedMember[], message: RoutedMessage, key: string): void {
    this.flush();
    for (const [missed, alike] of this.gaps.takeAll(members)) {
      const event = this.encode(message, key, missed);
      if (!event) continue;
      this.sources.counters.streamEvents += alike.length;
      const batch = Buffer.concat(event);
      for (const member of alike) member.write(batch);
    }
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    const batches = joinedWrites(this.waiting);
    this.sources.counters.streamEvents += this.waitingCount * this.members.size;
    this.waiting = [];
    this.waitingCount = 0;
    for (const member of this.members) member.write(...batches);
  }

  remove(member: FeedMember): void {
    this.members.delete(member);
    this.gaps.take(member);
  }
}

export class Feeds {
  private readonly byKey = new Map<string, Feed>();

  constructor(private readonly sources: FeedSources) {}

  get size(): number {
    return this.byKey.size;
  }

  /** When all feeds are live, the member gets what comes from then on. Rejects with a BrokerError where one cannot be. */
  async join(member: FeedMember, destinations: readonly SharedDestination[]): Promise<void> {
    const feeds = destinations.map((destination) => this.feedFor(destination));
    for (const feed of feeds) feed.joining++;
    try {
      await Promise.all(feeds.map(({ live }) => live));
      if (member.isWaiting) this.enter(member, feeds);
    } finally {
      for (const feed of feeds) feed.joining--;
      this.discardEmpty(feeds);
    }
  }

  private enter(member: FeedMember, feeds: readonly Feed[]): void {
    for (const feed of feeds) {
      feed.flush(); // so that nobody sees what was published before it came
      feed.members.add(member);
    }
    member.onLive(() => {
      for (const feed of feeds) feed.remove(member);
      this.discardEmpty(feeds);
    });
  }

  private feedFor(destination: SharedDestination): Feed {
    const key = JSON.stringify([destination.text, destination.kind === 'user' ? destination.user : undefined]);
    const known = this.byKey.get(key);
    if (known) return known;
    const forget = (): void => {
      if (this.byKey.get(key) === feed) this.byKey.delete(key);
    };
    const feed: Feed = new Feed(key, destination, this.sources, forget);
    this.byKey.set(key, feed);
    feed.live.catch(forget);
    return feed;
  }

  private discardEmpty(feeds: readonly Feed[]): void {
    for (const feed of feeds) {
      if (feed.members.size > 0 || feed.joining > 0) continue;
      if (this.byKey.get(feed.key) === feed) this.byKey.delete(feed.key);
      // Whoever waited for `live` has been told if it failed; closing reports nothing that somebody could act on.
      feed.live.then((subscription) => subscription.close()).catch(() => undefined);
    }
  }
}
