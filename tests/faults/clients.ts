/**
 * The browsers of a run: stompjs over WebSocket. It reconnects by itself, each time to the next relay, as behind a load
 * balancer. Everything that clients do and see goes into the history.
 */
import { Client } from '@stomp/stompjs';
import type { IFrame, IMessage, StompHeaders } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { eventually } from '../support/deadline.js';
import { nameOf } from './history.js';
import type { History, MessageName } from './history.js';

const HEART_BEAT_MS = 1_000;
const RECONNECT_MS = 200;
const CONNECTION_TIMEOUT_MS = 10_000;
const LEAVE_DEADLINE_MS = 10_000;

export class FaultyNetworkClient {
  protected readonly client: Client;
  /** The current connection. */
  session: string | undefined;
  /** The address of the latest attempt. */
  private url = '';
  private count = 0;
  protected isLeaving = false;

  constructor(
    readonly name: string,
    protected readonly history: History,
    urls: readonly string[],
    connectHeaders: StompHeaders,
  ) {
    let next = 0;
    this.client = new Client({
      webSocketFactory: () => {
        this.url = urls[next++ % urls.length] ?? '';
        return new WebSocket(this.url, ['v12.stomp']);
      },
      connectHeaders,
      reconnectDelay: RECONNECT_MS,
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      heartbeatIncoming: HEART_BEAT_MS,
      heartbeatOutgoing: HEART_BEAT_MS,
      discardWebsocketOnCommFailure: true,
      onConnect: () => this.connected(),
      onWebSocketClose: ({ code }: { code: number }) => this.closed(code),
      onStompError: (frame) => this.refused(frame, false),
      onUnhandledMessage: (frame) => this.refused(frame, true),
      onUnhandledReceipt: (frame) => this.received(frame),
    });
  }

  activate(): void {
    this.client.activate();
  }

  get isConnected(): boolean {
    return this.session !== undefined;
  }

  async leave(): Promise<void> {
    this.isLeaving = true;
    await this.client.deactivate();
    const isGone = (): true | undefined => (this.client.connected || this.session ? undefined : true);
    await eventually(isGone, LEAVE_DEADLINE_MS, () => `${this.name} does not leave`);
  }

  protected connected(): void {
    this.session = `${this.name}#${++this.count}`;
    this.history.add({ kind: 'connected', session: this.session, url: this.url });
  }

  protected closed(code: number): void {
    if (this.session === undefined) return;
    this.history.add({ kind: 'closed', session: this.session, code, intended: this.isLeaving });
    this.session = undefined;
  }

  /** An ERROR, or a MESSAGE with the extension `soft-errors`. An ERROR instead of CONNECTED belongs to no session. */
  protected refused({ headers, body: sentence }: IFrame, isSoft: boolean): void {
    const { code = '', 'receipt-id': receipt } = headers;
    if (this.session === undefined) return;
    const message = receipt?.includes(' ') ? { message: receipt } : {};
    this.history.add({ kind: 'error', session: this.session, code, sentence, isSoft, ...message });
  }

  /** Gets every RECEIPT: no receipt is registered with stompjs, so it also passes on duplicates. */
  protected received(_receipt: IFrame): void {}
}

/** Numbers its messages by session and destination. Each message requests a receipt with the message's name. */
export class Publisher extends FaultyNetworkClient {
  private numbers = new Map<string, number>();
  private readonly unanswered = new Set<MessageName>();
  private timer: NodeJS.Timeout | undefined;

  constructor(name: string, history: History, urls: readonly string[], extensions: string) {
    super(name, history, urls, { login: name, 'relay-extensions': extensions });
  }

  /** Sends one message to each destination every `everyMs`, while fewer than `unansweredMax` are unanswered. */
  publish(destinations: readonly string[], everyMs: number, unansweredMax: number): void {
    this.timer = setInterval(() => {
      for (const destination of destinations) if (this.unanswered.size < unansweredMax) this.send(destination);
    }, everyMs);
  }

  pause(): void {
    clearInterval(this.timer);
  }

  get isAnswered(): boolean {
    return this.unanswered.size === 0;
  }

  /** Undefined without a connection. */
  send(destination: string): MessageName | undefined {
    const { session } = this;
    if (session === undefined || !this.client.connected) return undefined;
    const number = (this.numbers.get(destination) ?? 0) + 1;
    this.numbers.set(destination, number);
    const message = nameOf(session, destination, number);
    this.history.add({ kind: 'sent', session, message });
    this.unanswered.add(message);
    this.client.publish({ destination, body: message, headers: { receipt: message, persistent: 'true' } });
    return message;
  }

  protected override connected(): void {
    this.numbers = new Map();
    super.connected();
  }

  protected override refused(frame: IFrame, isSoft: boolean): void {
    this.unanswered.delete(frame.headers['receipt-id'] ?? '');
    super.refused(frame, isSoft);
  }

  protected override received({ headers }: IFrame): void {
    const message = headers['receipt-id'] ?? '';
    this.unanswered.delete(message);
    if (this.session !== undefined) this.history.add({ kind: 'confirmed', session: this.session, message });
  }

  protected override closed(code: number): void {
    this.unanswered.clear();
    super.closed(code);
  }

  override leave(): Promise<void> {
    this.pause();
    return super.leave();
  }
}

export interface SubscriptionSpec {
  /** The destination in SUBSCRIBE, and in SEND. */
  readonly subscribe: string;
  readonly sent: string;
  readonly ack: 'auto' | 'client' | 'client-individual';
}

/** One of this many messages is acknowledged late, after LATE_MS. */
const LATE_EVERY = 4;
const LATE_MS = 150;

/** Subscribes again on every connection. */
export class Subscriber extends FaultyNetworkClient {
  private live = new Set<string>();

  constructor(
    name: string,
    history: History,
    urls: readonly string[],
    login: string,
    private readonly specs: readonly SubscriptionSpec[],
  ) {
    super(name, history, urls, { login });
  }

  /** All subscriptions have been answered. */
  get isSubscribed(): boolean {
    return this.isConnected && this.live.size === this.specs.length;
  }

  /** `destination` is that of SEND. */
  wants(destination: string): boolean {
    return this.specs.some(({ sent }) => sent === destination);
  }

  protected override connected(): void {
    super.connected();
    this.live = new Set();
    for (const spec of this.specs) {
      const acknowledge = this.acknowledging(spec);
      const headers: StompHeaders = { ack: spec.ack, receipt: spec.sent, 'prefetch-count': '20' };
      this.client.subscribe(spec.subscribe, (message) => this.delivered(spec, message, acknowledge), headers);
    }
  }

  protected override received({ headers }: IFrame): void {
    const destination = headers['receipt-id'] ?? '';
    if (this.session === undefined) return;
    this.live.add(destination);
    this.history.add({ kind: 'subscribed', session: this.session, destination });
  }

  private delivered(spec: SubscriptionSpec, message: IMessage, acknowledge: (message: IMessage) => void): void {
    if (this.session === undefined) return;
    this.history.add({
      kind: 'delivered',
      session: this.session,
      destination: spec.sent,
      message: message.body,
      redelivered: message.headers['redelivered'] === 'true',
      resent: message.headers['relay-resent'] === 'true',
    });
    acknowledge(message);
  }

  /** Sends cumulative acks in batches, and individual ones at once or, for some messages, late. */
  private acknowledging({ ack }: SubscriptionSpec): (message: IMessage) => void {
    const { session } = this;
    const isLive = (): boolean => this.session === session && this.client.connected;
    let count = 0;
    let latest: IMessage | undefined;
    const acknowledgeLatest = (): void => {
      if (isLive()) latest?.ack();
      latest = undefined;
    };
    switch (ack) {
      case 'auto':
        return () => undefined;
      case 'client':
        return (message) => {
          if (latest === undefined) setTimeout(acknowledgeLatest, LATE_MS);
          latest = message;
        };
      case 'client-individual':
        return (message) => {
          if (++count % LATE_EVERY !== 0) message.ack();
          else setTimeout(() => isLive() && message.ack(), LATE_MS);
        };
    }
  }
}
