/**
 * How relays tell each other of revocations: over the broker, through the exchange of users, with routing keys that no client
 * can form, and that no binding for X of all users takes: X is their first word, and these have an empty one.
 *
 *   revoked   to all: it has just happened
 *   hello     to all, by a relay that comes, or comes back after it was cut off: what have I missed?
 *   known     the answer, to that relay alone; and what that one tells all the others before it says hello
 *
 * A relay that comes back is heard and hears when its subscriptions are live again; so it asks then, and not before.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { checkRevocation, type Revocation } from '../auth/revocations.js';
import type { Broker, BrokerSubscription, SharedDestination } from '../brokers/broker.js';
import type { Log } from '../process/log.js';

export interface RevocationListener {
  /** It has happened just now, at another relay. */
  onRevoked(revocation: Revocation): void;
  /** It has happened some time ago, and may be known. */
  onLearned(revocation: Revocation): void;
  /** All that are known here. */
  known(): Iterable<Revocation>;
}

interface Announcement {
  readonly kind: 'revoked' | 'known' | 'hello';
  /** The relay that says so. */
  readonly from: string;
  readonly revocations?: readonly Revocation[];
}

const HEADERS = new Map([['content-type', 'application/json']]);
const BODY_MAX_BYTES = 256 * 1024;
const PAGE = 100;
/** How long somebody who revokes waits for the broker. */
const ANNOUNCE_MS = 5_000;
const RETRY_MS = 5_000;
/** Other relays' clocks may be ahead, but not by more. */
const CLOCK_SKEW_MAX_MS = 5 * 60_000;

export class RevocationChannel {
  private subscriptions: readonly BrokerSubscription[] = [];
  private joining: Promise<void> = Promise.resolve();
  private listener: RevocationListener | undefined;
  private readonly end = new AbortController();

  constructor(
    private readonly broker: Broker,
    /** No other relay has it. */
    private readonly relayId: string,
    private readonly log: Log,
  ) {}

  /** To be called when the broker can be used. Resolves when what is told from now on is heard, or that could not be had. */
  async start(listener: RevocationListener): Promise<void> {
    this.listener = listener;
    this.broker.on('up', () => void this.join());
    await this.join();
  }

  /** Resolves with whether the broker has it. If not, the others are told when it is back. */
  async announce(revocation: Revocation): Promise<boolean> {
    if (!this.broker.isUp) return false;
    const told = this.publish(toAll, { kind: 'revoked', from: this.relayId, revocations: [revocation] });
    const isTold = told.then(
      () => true,
      (err: unknown) => {
        this.log.warn({ err }, 'other relays could not be told of a revocation; they will be when the broker is back');
        return false;
      },
    );
    return Promise.race([isTold, delay(ANNOUNCE_MS, false, { ref: false })]);
  }

  stop(): void {
    this.end.abort();
  }

  /** One at a time: a broker may come and go faster than it can be joined. */
  private join(): Promise<void> {
    return (this.joining = this.joining.then(() => this.joinOnce()));
  }

  private async joinOnce(): Promise<void> {
    if (this.end.signal.aborted) return;
    try {
      const former = this.subscriptions;
      // Also where there are some: so those are bound first, and it is known when they are.
      const subscribe = (to: SharedDestination) =>
        this.broker.subscribe(to, new Map(), ({ body }) => this.onAnnouncement(body));
      this.subscriptions = await Promise.all([subscribe(toAll), subscribe(toOne(this.relayId))]);
      for (const each of former) void each.close().catch(() => undefined);
    } catch (err) {
      return this.tryAgain(err);
    }
    // Nobody waits for it: a broker that is slow to confirm does not hold up the start
    void this.introduce().catch((err: unknown) => this.tryAgain(err));
  }

  /** What is known here first: with the answers to its question a relay that was cut off knows all. */
  private async introduce(): Promise<void> {
    await this.publishKnown(toAll);
    await this.publish(toAll, { kind: 'hello', from: this.relayId });
  }

  private tryAgain(err: unknown): void {
    if (this.end.signal.aborted) return;
    this.log.warn({ err }, 'revocations at other relays are not heard of for now; this is tried again');
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

  private async publish(to: SharedDestination, told: Announcement): Promise<void> {
    const message = { headers: HEADERS, body: Buffer.from(JSON.stringify(told)) };
    const publication = this.broker.publication(to, message, { mandatory: false });
    await publication.ready;
    await publication.send();
  }

  /** Whoever may write to the exchange at the broker can say this: it is looked at closely. */
  private onAnnouncement(body: Buffer): void {
    const told = parse(body);
    if (!told) return this.log.warn({ bytes: body.length }, 'another relay said something that is not understood');
    if (told.from === this.relayId || this.end.signal.aborted) return;
    if (told.kind === 'hello') {
      const answered = this.publishKnown(toOne(told.from));
      answered.catch((err: unknown) => this.log.warn({ err }, 'another relay could not be told of revocations'));
      return;
    }
    for (const revocation of told.revocations ?? []) {
      if (told.kind === 'revoked') this.listener?.onRevoked(revocation);
      else this.listener?.onLearned(revocation);
    }
  }
}

const toAll = destination('relays');

function toOne(relayId: string): SharedDestination {
  return destination(`relays.${relayId}`);
}

/** `/user/.../queue/` with nothing behind it, which no client can write. */
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
    return undefined; // not JSON, or not an object
  }
}

function isRevocation(value: unknown): value is Revocation {
  const { user, revokedAtMs, reason } = (value ?? {}) as Partial<Record<keyof Revocation, unknown>>;
  if (checkRevocation({ user, reason }) !== undefined || !Number.isSafeInteger(revokedAtMs)) return false;
  return (revokedAtMs as number) > 0 && (revokedAtMs as number) < Date.now() + CLOCK_SKEW_MAX_MS;
}
