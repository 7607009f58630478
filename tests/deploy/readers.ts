/** Readers of all kinds: each follows the numbers of a topic, and of the messages to its user. */
import { Client as StompClient } from '@stomp/stompjs';
import type { IMessage } from '@stomp/stompjs';
import { EventSource } from 'eventsource';
import { createClient } from 'stomp-relay-client';
import type { Client, Message, Subscription } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Sequence } from './sequence.js';

export const TOPIC = '/topic/deploy';
/** The same messages, with a history. */
export const KEPT_TOPIC = '/topic/kept.deploy';
const MINE = '/user/queue/news';

const SSE_RETRY_MS = 1_000;

export type ReaderKind = 'stompjs' | 'SDK' | 'SSE' | 'recovering stompjs' | 'recovering SDK';

export abstract class Reader {
  abstract readonly kind: ReaderKind;
  readonly topic = new Sequence();
  readonly mine = new Sequence();
  /** Times without a connection, in ms. */
  readonly awayMs: number[] = [];
  private lostAt: number | undefined;
  private hasBeenUp = false;

  /** `address`: host and port of the load balancer. */
  constructor(
    readonly user: string,
    protected readonly address: string,
  ) {}

  /** All its subscriptions are live. */
  get isUp(): boolean {
    return this.hasBeenUp && this.lostAt === undefined;
  }

  abstract open(): void;
  abstract close(): Promise<void> | void;

  /** A connection exists; its messages may come from now on. */
  protected connected(): void {
    if (this.lostAt === undefined) return;
    this.topic.reconnected();
    this.mine.reconnected();
  }

  protected up(): void {
    if (this.lostAt !== undefined) this.awayMs.push(performance.now() - this.lostAt);
    this.lostAt = undefined;
    this.hasBeenUp = true;
  }

  protected lost(): void {
    if (this.hasBeenUp) this.lostAt ??= performance.now();
  }
}

/** stompjs with its defaults: it reconnects after five seconds. */
export class StompjsReader extends Reader {
  readonly kind: ReaderKind = 'stompjs';
  protected readonly client = new StompClient({
    webSocketFactory: () => new WebSocket(`ws://${this.address}/ws`, ['v12.stomp']),
    connectHeaders: { login: this.user },
    onConnect: () => this.subscribe(),
    onWebSocketClose: () => this.lost(),
  });

  open(): void {
    this.client.activate();
  }

  close(): Promise<void> {
    return this.client.deactivate();
  }

  protected subscribe(): void {
    this.connected();
    let answers = 0;
    const onReceipt = (): void => void (++answers === 2 && this.up());
    for (const [destination, sequence] of [
      [TOPIC, this.topic],
      [MINE, this.mine],
    ] as const) {
      this.client.watchForReceipt(destination, onReceipt);
      this.client.subscribe(destination, ({ body }) => sequence.add(Number(body)), { receipt: destination });
    }
  }
}

/** stompjs with the lines of docs/recovery.md. */
export class RecoveringStompjsReader extends StompjsReader {
  override readonly kind = 'recovering stompjs';
  private readonly last: Record<string, string | undefined> = {};

  protected override subscribe(): void {
    this.connected();
    this.client.watchForReceipt(KEPT_TOPIC, () => this.up());
    this.follow(KEPT_TOPIC, ({ body }) => this.topic.add(Number(body)));
  }

  private follow(destination: string, onMessage: (message: IMessage) => void): void {
    this.client.subscribe(
      destination,
      (message) => {
        onMessage(message);
        this.last[destination] = message.headers['relay-position'] ?? this.last[destination];
      },
      { 'relay-since': this.last[destination] ?? 'now', receipt: destination },
    );
  }
}

export class SdkReader extends Reader {
  readonly kind: ReaderKind = 'SDK';
  private client: Client | undefined;

  open(): void {
    this.client = createClient({
      url: `ws://${this.address}/ws`,
      login: this.user,
      passcode: '-',
      createWebSocket: (url, protocols) => new WebSocket(url, protocols),
    });
    const subscriptions = this.subscribe(this.client);
    for (const each of subscriptions) {
      each.onState(() => {
        this.connected();
        if (subscriptions.every(({ state }) => state.name === 'subscribed')) this.up();
        else this.lost();
      });
    }
  }

  protected subscribe(client: Client): Subscription[] {
    return [
      client.subscribe(TOPIC, ({ body }: Message) => this.topic.add(Number(body))),
      client.subscribe(MINE, ({ body }: Message) => this.mine.add(Number(body))),
    ];
  }

  async close(): Promise<void> {
    await this.client?.close();
  }
}

/** It recovers by itself, where the relay keeps a history. */
export class RecoveringSdkReader extends SdkReader {
  override readonly kind = 'recovering SDK';

  protected override subscribe(client: Client): Subscription[] {
    return [client.subscribe(KEPT_TOPIC, ({ body }: Message) => this.topic.add(Number(body)))];
  }
}

/** EventSource reconnects by itself, except after an HTTP error, such as 502 of nginx. Then the page has to. */
export class SseReader extends Reader {
  readonly kind = 'SSE';
  private source: EventSource | undefined;
  private retry: NodeJS.Timeout | undefined;

  open(): void {
    const query = [TOPIC, MINE].map((each) => `destination=${each}`).join('&');
    const authorization = `Basic ${Buffer.from(`${this.user}:-`).toString('base64')}`;
    this.source = new EventSource(`http://${this.address}/api/stream?${query}`, {
      fetch: (url, init) => fetch(url, { ...init, headers: { ...init.headers, authorization } }),
    });
    this.source.addEventListener('ready', () => {
      this.connected();
      this.up();
    });
    this.source.addEventListener('error', () => {
      this.lost();
      if (this.source?.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(), SSE_RETRY_MS);
    });
    this.source.addEventListener('message', ({ data }) => {
      const { destination, body } = JSON.parse(data as string) as { destination: string; body: string };
      (destination === TOPIC ? this.topic : this.mine).add(Number(body));
    });
  }

  close(): void {
    clearTimeout(this.retry);
    this.source?.close();
  }
}
