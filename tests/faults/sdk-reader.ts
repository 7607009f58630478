/** A client of the SDK in a run. It returns by itself; the run reads its messages, gaps and counts. */
import { createClient } from 'stomp-relay-client';
import type { Client, Message, Subscription } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import type { History } from './history.js';
import { addKept } from './kept-spec.js';
import type { KeptSpec, ReturningClient } from './kept-spec.js';

const CHECK_EVERY_MS = 500;

/** For the rules, all its connections together are one session. */
export class SdkReader implements ReturningClient {
  readonly session: string;
  private client: Client | undefined;
  private subscriptions: Subscription[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(
    readonly name: string,
    private readonly history: History,
    private readonly urls: readonly string[],
    private readonly specs: readonly KeptSpec[],
  ) {
    this.session = `${name}#1`;
  }

  activate(): void {
    let next = 0;
    const { urls } = this;
    this.client = createClient({
      url: urls[0]!,
      login: 'anna',
      passcode: '-',
      heartBeatMs: 1_000,
      reconnectMinMs: 200,
      reconnectMaxMs: 1_000,
      createWebSocket: (_, protocols) => new WebSocket(urls[next++ % urls.length]!, protocols),
      onError: () => undefined,
    });
    this.subscriptions = this.specs.map((spec) => this.subscribe(spec));
    this.timer = setInterval(() => this.check(), CHECK_EVERY_MS);
  }

  get isConnected(): boolean {
    return this.isSubscribed;
  }

  get isSubscribed(): boolean {
    return this.subscriptions.every(({ state }) => state.name === 'subscribed');
  }

  wants(destination: string): boolean {
    return this.specs.some(({ destinations }) => destinations.includes(destination));
  }

  stay(): void {
    // It never leaves by itself
  }

  async leave(): Promise<void> {
    clearInterval(this.timer);
    await this.client?.close();
  }

  private subscribe({ subscribe: id, rule, destinations }: KeptSpec): Subscription {
    const { session, history } = this;
    history.add({ kind: 'returned', session, subscription: id, rule, destinations });
    return this.client!.subscribe(id, ({ body, headers }: Message) => addKept(history, session, id, body, headers), {
      onGap: ({ from = '', to = '', reason }) =>
        history.add({ kind: 'gap', session, subscription: id, from, to, reason }),
    });
  }

  private check(): void {
    for (const [i, subscription] of this.subscriptions.entries()) {
      const { subscribe: id } = this.specs[i]!;
      const add = (counts: { delivered: number; received: number }): void =>
        this.history.add({ kind: 'checked', session: this.session, subscription: id, ...counts });
      if (subscription.state.name === 'subscribed') void this.client!.check(subscription).then(add, () => undefined);
    }
  }
}
