/**
 * Clients that keep the position of each subscription, and return with it to the next relay: after faults, and by
 * themselves in between. They ask the relay for its count.
 */
import type { IFrame, IMessage, StompHeaders } from '@stomp/stompjs';
import { FaultyNetworkClient } from './clients.js';
import type { History } from './history.js';
import { addKept } from './kept-spec.js';
import type { KeptSpec, ReturningClient } from './kept-spec.js';

const CHECK_EVERY_MS = 500;

export interface Absences {
  readonly everyMs: number;
  readonly forMs: number;
}

/** stompjs with the lines of docs/recovery.md. With `extensions` it also reads the notices of the relay. */
export class ReturningReader extends FaultyNetworkClient implements ReturningClient {
  /** By subscription. */
  private readonly positions = new Map<string, string>();
  private counts = new Map<string, number>();
  private live = new Set<string>();
  private timers: NodeJS.Timeout[] = [];
  private back: NodeJS.Timeout | undefined;
  private isAway = false;

  constructor(
    name: string,
    history: History,
    urls: readonly string[],
    private readonly extensions: '' | 'recovery',
    private readonly specs: readonly KeptSpec[],
    private readonly absences: Absences,
  ) {
    super(name, history, urls, { login: 'anna', 'relay-extensions': extensions });
  }

  override activate(): void {
    super.activate();
    const { everyMs } = this.absences;
    this.timers = [setInterval(() => this.goAway(), everyMs), setInterval(() => this.check(), CHECK_EVERY_MS)];
  }

  get isSubscribed(): boolean {
    return this.isConnected && !this.isAway && this.live.size === this.specs.length;
  }

  wants(destination: string): boolean {
    return this.specs.some(({ destinations }) => destinations.includes(destination));
  }

  stay(): void {
    clearInterval(this.timers[0]);
  }

  override async leave(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    clearTimeout(this.back);
    await super.leave();
  }

  protected override connected(): void {
    super.connected();
    this.live = new Set();
    this.counts = new Map();
    for (const spec of this.specs) {
      const { subscribe: id } = spec;
      const since = this.positions.get(id);
      const headers: StompHeaders = { id, receipt: id, 'relay-since': since ?? 'now' };
      this.client.watchForReceipt(id, ({ headers: answer }) => this.returned(spec, since, answer));
      this.client.subscribe(id, (message) => this.delivered(spec, message), headers);
    }
  }

  protected override closed(code: number): void {
    const { isLeaving } = this;
    this.isLeaving ||= this.isAway;
    super.closed(code);
    this.isLeaving = isLeaving;
  }

  protected override refused(frame: IFrame, isSoft: boolean): void {
    const { destination = '', 'for-subscription': id = '', 'relay-position': position = '' } = frame.headers;
    switch (destination) {
      case '/relay/check':
        return this.checked(id, Number(frame.headers['relay-delivered']));
      case '/relay/gap':
        this.gap(id, frame.headers);
        return void this.positions.set(id, position);
      case '/relay/position':
      case '/relay/caught-up':
        return void this.positions.set(id, position);
      default:
        super.refused(frame, isSoft);
    }
  }

  private returned({ subscribe: id, rule, destinations }: KeptSpec, since: string | undefined, answer: StompHeaders) {
    const { session } = this;
    if (session === undefined) return;
    const { 'relay-position': position, 'relay-reason': reason, 'relay-recovered': verdict } = answer;
    const recovered = verdict === undefined ? undefined : verdict === 'true';
    if (position !== undefined) this.positions.set(id, position);
    this.live.add(id);
    this.history.add({
      kind: 'returned',
      session,
      subscription: id,
      rule,
      destinations,
      since,
      position,
      recovered,
      reason,
    });
  }

  private delivered({ subscribe: id }: KeptSpec, message: IMessage): void {
    const { session } = this;
    if (session === undefined) return;
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    addKept(this.history, session, id, message.body, message.headers);
    const position = message.headers['relay-position'];
    if (position !== undefined) this.positions.set(id, position);
  }

  private gap(subscription: string, { 'from-position': from = '', 'relay-position': to = '', ...more }: StompHeaders) {
    const { session } = this;
    if (session === undefined) return;
    this.history.add({ kind: 'gap', session, subscription, from, to, reason: more['relay-reason'] ?? '' });
  }

  private check(): void {
    if (this.extensions === '' || !this.client.connected || this.session === undefined) return;
    for (const id of this.live) {
      this.client.publish({ destination: '/relay/check', headers: { 'for-subscription': id } });
    }
  }

  private checked(subscription: string, delivered: number): void {
    const { session } = this;
    if (session === undefined) return;
    const received = this.counts.get(subscription) ?? 0;
    this.history.add({ kind: 'checked', session, subscription, delivered, received });
  }

  /** Ends the connection without DISCONNECT, as a browser without a network does. */
  private goAway(): void {
    if (!this.client.connected || this.isAway) return;
    this.isAway = true;
    void this.client.deactivate({ force: true });
    this.back = setTimeout(() => {
      this.isAway = false;
      this.client.activate();
    }, this.absences.forMs);
  }
}
