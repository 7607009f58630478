/** Readers of all kinds: each follows the numbers of a topic, and of the messages to its user. */
import { Client as StompClient } from '@stomp/stompjs';
import { EventSource } from 'eventsource';
import { createClient } from 'stomp-relay-client';
import type { Client, Message } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Sequence } from './sequence.js';

export const TOPIC = '/topic/deploy';
const MINE = '/user/queue/news';

const SSE_RETRY_MS = 1_000;

export type ReaderKind = 'stompjs' | 'SDK' | 'SSE';

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
  readonly kind = 'stompjs';
  private readonly client = new StompClient({
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

  private subscribe(): void {
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

export class SdkReader extends Reader {
  readonly kind = 'SDK';
  private client: Client | undefined;

  open(): void {
    this.client = createClient({
      url: `ws://${this.address}/ws`,
      login: this.user,
      passcode: '-',
      createWebSocket: (url, protocols) => new WebSocket(url, protocols),
    });
    const subscriptions = [
      this.client.subscribe(TOPIC, ({ body }: Message) => this.topic.add(Number(body))),
      this.client.subscribe(MINE, ({ body }: Message) => this.mine.add(Number(body))),
    ];
    for (const each of subscriptions) {
      each.onState(() => {
        this.connected();
        if (subscriptions.every(({ state }) => state.name === 'subscribed')) this.up();
        else this.lost();
      });
    }
  }

  async close(): Promise<void> {
    await this.client?.close();
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
