/**
 * Shares revocations between relays, through the exchange of users at the broker. The first word of their routing keys
 * is empty. Therefore no client can form such a key, and no binding for X of all users matches one.
 *
 *   revoked   to all relays: a new revocation
 *   hello     to all relays, from one that has started or reconnected: a request for all known revocations
 *   known     known revocations, as the answer to that relay; it also sends its own to all relays before `hello`
 *
 * A relay that reconnects first waits until its subscriptions are live. An earlier request could miss answers. Its queue
 * at the broker may have kept announcements meanwhile. They come before its own `hello`, so up to then a revocation counts
 * as known: users may have logged in since.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { checkRevocation } from '../auth/revocations.js';
import type { Revocation } from '../auth/revocations.js';
import type { Broker, BrokerSubscription, SharedDestination } from '../brokers/broker.js';
import type { Log } from '../process/log.js';

export interface RevocationListener {
  /** Another relay has just revoked a user. */
  onRevoked(revocation: Revocation): void;
  /** Another relay has sent an earlier revocation, which may be known already. */
  onLearned(revocation: Revocation): void;
  /** All revocations that this relay knows. */
  known(): Iterable<Revocation>;
}

interface Announcement {
  readonly kind: 'revoked' | 'known' | 'hello';
  /** Id of the sender. */
  readonly from: string;
  readonly revocations?: readonly Revocation[];
}

const HEADERS = new Map([['content-type', 'application/json']]);
const BODY_MAX_BYTES = 256 * 1024;
const PAGE = 100;
/** Time that the caller of a revocation waits for the broker. */
const ANNOUNCE_MS = 5_000;
const RETRY_MS = 5_000;
/** Tolerated lead of other relays' clocks. */
const CLOCK_SKEW_MAX_MS = 5 * 60_000;

export class RevocationChannel {
  private subscriptions: readonly BrokerSubscription[] = [];
  private joining: Promise<void> = Promise.resolve();
  private listener: RevocationListener | undefined;
  /** From the loss of the broker until the own `hello` arrives. */
  private isBehind = false;
  private readonly end = new AbortController();

  constructor(
    private readonly broker: Broker,
    /** Unique among all relays. */
    private readonly relayId: string,
    private readonly log: Log,
  ) {}

  /**
   * Call it when the broker is available. Resolves when the subscriptions are live, or have failed and will be retried.
   */
  async start(listener: RevocationListener): Promise<void> {
    this.listener = listener;
    this.broker.on('down', () => {
      this.isBehind = true;
    });
    this.broker.on('up', () => void this.join());
    await this.join();
  }

  /** Resolves with true if the broker has accepted the announcement. If not, the next reconnect repeats it. */
  async announce(revocation: Revocation): Promise<boolean> {
    if (!this.broker.isUp) return false;
    const published = this.publish(toAll, { kind: 'revoked', from: this.relayId, revocations: [revocation] });
    const isPublished = published.then(
      () => true,
      (err: unknown) => {
        this.log.warn({ err }, 'a revocation could not be announced to other relays; the next reconnect repeats it');
        return false;
      },
    );
    return Promise.race([isPublished, delay(ANNOUNCE_MS, false, { ref: false })]);
  }

  stop(): void {
    this.end.abort();
  }

  /** Runs one attempt at a time, because the connection may be lost and restored while an attempt is running. */
  private join(): Promise<void> {
    return (this.joining = this.joining.then(() => this.joinOnce()));
  }

  private async joinOnce(): Promise<void> {
    if (this.end.signal.aborted) return;
    try {
      const former = this.subscriptions;
      // Always new subscriptions: their promises show when they are bound, which former ones do not
      const subscribe = (to: SharedDestination) =>
        this.broker.subscribe(to, new Map(), ({ body }) => this.onAnnouncement(body));
      this.subscriptions = await Promise.all([subscribe(toAll), subscribe(toOne(this.relayId))]);
      for (const each of former) void each.close().catch(() => undefined);
    } catch (err) {
      return this.tryAgain(err);
    }
    // Not awaited, so that a broker with slow confirms does not delay the start
    void this.introduce().catch((err: unknown) => this.tryAgain(err));
  }

  /** Sends the known revocations, then asks for those of the other relays. */
  private async introduce(): Promise<void> {
    await this.publishKnown(toAll);
    await this.publish(toAll, { kind: 'hello', from: this.relayId });
  }

  private tryAgain(err: unknown): void {
    if (this.end.signal.aborted) return;
    this.log.warn({ err }, 'the revocations of other relays do not arrive for now; the subscription is retried');
    void delay(RETRY_MS, undefined, { ref: false }).then(() => (this.broker.isUp ? this.join() : undefined));
  }

  private async publishKnown(to: SharedDestination): Promise<void> {
    const revocations = [...(this.listener?.known() ?? [])];
    for (let start = 0; start < revocations.length; start += PAGE) {
      await this.publish(to, {
        kind: 'known',
        from: this.relayId,
        revocations: revocations.slice(start, start + PAGE),
      });
    }
  }

  private async publish(to: SharedDestination, announcement: Announcement): Promise<void> {
    const message = { headers: HEADERS, body: Buffer.from(JSON.stringify(announcement)) };
    const publication = this.broker.publication(to, message, { mandatory: false });
    await publication.ready;
    await publication.send();
  }

  /** Validates the message first, because every program with write access to the exchange can send one. */
  private onAnnouncement(body: Buffer): void {
    const announcement = parse(body);
    if (!announcement) return this.log.warn({ bytes: body.length }, 'an announcement of revocations is malformed');
    const { kind, from, revocations = [] } = announcement;
    if (from === this.relayId && kind === 'hello') this.isBehind = false;
    if (from === this.relayId || this.end.signal.aborted) return;
    if (kind === 'hello') {
      const answered = this.publishKnown(toOne(from));
      answered.catch((err: unknown) => this.log.warn({ err }, 'known revocations could not be sent to another relay'));
      return;
    }
    for (const revocation of revocations) {
      if (kind === 'revoked' && !this.isBehind) this.listener?.onRevoked(revocation);
      else this.listener?.onLearned(revocation);
    }
  }
}

const toAll = destination('relays');

function toOne(relayId: string): SharedDestination {
  return destination(`relays.${relayId}`);
}

/** `/user/.../queue/` with an empty name, which no client can write. */
function destination(user: string): SharedDestination {
  return { kind: 'user', text: `/user/${user}/queue/`, user, name: '' };
}

function parse(body: Buffer): Announcement | undefined {
  if (body.length > BODY_MAX_BYTES) return undefined;
  try {
    const {
      kind,
      from,
      revocations = [],
    } = JSON.parse(body.toString()) as Partial<Record<keyof Announcement, unknown>>;
    if (kind !== 'revoked' && kind !== 'known' && kind !== 'hello') return undefined;
    if (typeof from !== 'string' || !/^[\w-]{1,64}$/.test(from)) return undefined;
    return Array.isArray(revocations) && revocations.every(isRevocation) ? { kind, from, revocations } : undefined;
  } catch {
    return undefined; // not JSON, or null
  }
}

function isRevocation(value: unknown): value is Revocation {
  const { user, revokedAtMs, reason } = (value ?? {}) as Partial<Record<keyof Revocation, unknown>>;
  if (checkRevocation({ user, reason }) !== undefined || !Number.isSafeInteger(revokedAtMs)) return false;
  return (revokedAtMs as number) > 0 && (revokedAtMs as number) < Date.now() + CLOCK_SKEW_MAX_MS;
}
