/**
 * A broker with topics and users only, built from the exports of the package. It is the minimum that a relay can work
 * with. Its messages stay in this process, and it keeps none.
 */
import { BrokerError, checkMessage, checkPattern, Fanout, keyOfUser, shownHeaders } from 'stomp-relay';
import type {
  Broker,
  BrokerCapabilities,
  BrokerSubscription,
  Destination,
  KeyLimits,
  Listener,
  Message,
  Publication,
  SharedDestination,
} from 'stomp-relay';

export class TopicsBroker implements Broker {
  readonly description = 'topics and users in this process';
  isUp = false;
  private readonly topics = new Fanout('topic');
  private readonly users = new Fanout('exact');

  constructor(
    private readonly limits: KeyLimits,
    readonly capabilities: BrokerCapabilities = {},
  ) {}

  start(): Promise<void> {
    this.isUp = true;
    return Promise.resolve();
  }

  publication(destination: Destination, message: Message): Publication {
    const { fanout, key, origin } = this.place(destination);
    checkMessage(message, key, this.limits);
    const routed = { ...message, headers: shownHeaders(message.headers), origin, resent: false };
    return { ready: undefined, send: () => Promise.resolve(void fanout.deliver(routed, key)) };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- an exception must become a rejection
  async subscribe(
    destination: SharedDestination,
    _headers: ReadonlyMap<string, string>,
    listener: Listener,
    ended?: (error: BrokerError) => void,
  ): Promise<BrokerSubscription> {
    const { fanout, key } = this.place(destination);
    if (destination.kind === 'topic') checkPattern(key, this.limits);
    const remove = fanout.add(key, listener, ended);
    return { close: () => Promise.resolve(remove()) };
  }

  /** Throws a BrokerError. */
  private place(destination: Destination) {
    if (!this.isUp) throw new BrokerError('broker-unavailable', 'The broker is not running: try again later.');
    if (destination.kind === 'topic') return { fanout: this.topics, key: destination.key, origin: destination };
    if (destination.kind === 'user') return { fanout: this.users, key: keyOfUser(destination), origin: destination };
    throw new BrokerError('invalid-destination', `${destination.text} is not supported here: use /topic or /user.`);
  }

  on(): void {
    // This broker is never down, so there are no events
  }

  close(): Promise<void> {
    this.isUp = false;
    return Promise.resolve();
  }
}
