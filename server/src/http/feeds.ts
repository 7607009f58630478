/**
 * Feeds: what many streams have subscribed to alike is one subscription at the broker, and one event for all of them. As
 * with groups of STOMP sessions, what comes in one turn of the event loop is joined and written once to each.
 */
import type { BrokerError, BrokerSubscription, Listener, RoutedMessage, SharedDestination } from '../brokers/broker.js';
import type { EventEncoder } from './event-encoder.js';

/** A stream, as far as a feed needs to know it. */
export interface FeedMember {
  /** What a message for one session only names it by. */
  readonly id: string;
  /** False where it has gone before its feeds were live. */
  readonly isWaiting: boolean;
  /** It is in all its feeds; `leave` ends that. */
  onLive(leave: () => void): void;
  /** MUST NOT wait. It may leave the feed from inside. */
  write(events: Buffer): void;
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
}

class Feed {
  readonly members = new Set<FeedMember>();
  /** Settles when the broker's subscription is live. */
  readonly live: Promise<BrokerSubscription>;
  /** Streams that wait for `live`. */
  joining = 0;
  private waiting: Buffer[] = [];

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
    const { sources } = this;
    const { toSession } = message;
    const event = sources.events.encode(sources.shownTo(this.destination, message, key), message);
    if (this.destination.kind === 'user' && toSession !== undefined) return this.deliverTo(toSession, event);
    if (this.waiting.push(event) === 1) setImmediate(() => this.flush());
  }

  /** For one session of the user, which may be a stream of somebody else's relay. */
  private deliverTo(session: string, event: Buffer): void {
    for (const member of this.members) {
      if (member.id !== session) continue;
      this.flush();
      this.sources.counters.streamEvents++;
      member.write(event);
    }
  }

  flush(): void {
    if (this.waiting.length === 0) return;
    const { counters } = this.sources;
    const batch = Buffer.concat(this.waiting);
    counters.streamEvents += this.waiting.length * this.members.size;
    this.waiting = [];
    for (const member of this.members) member.write(batch);
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
      for (const feed of feeds) feed.members.delete(member);
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
