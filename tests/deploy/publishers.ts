/**
 * Publishers of all kinds: a back end over AMQP for the topic, one over HTTP for users and the queue of orders, and a
 * browser with the SDK for the queue of orders.
 */
import { randomUUID } from 'node:crypto';
import { connect as connectAmqp } from 'amqplib';
import type { ChannelModel, Channel } from 'amqplib';
import { createClient } from 'stomp-relay-client';
import { WebSocket } from 'ws';

export const ORDERS = '/queue/orders';
const TOPIC_EVERY_MS = 200;
const HTTP_EVERY_MS = 50;
const SDK_EVERY_MS = 50;
const RETRY_MS = 200;

/** The messages that have been published. */
export class Published {
  /** The last number of the topic. */
  topic = 0;
  /** The last number of each user. */
  readonly users = new Map<string, number>();
  /** Orders that the relay has confirmed. */
  readonly orders: string[] = [];
  /** HTTP requests that had to be repeated. */
  httpRetries = 0;
  httpLongestMs = 0;
}

export class Publishers {
  readonly published = new Published();
  private isStopping = false;
  private readonly done: Promise<unknown>[] = [];
  private readonly sdk;

  private constructor(
    private readonly address: string,
    private readonly users: readonly string[],
    private readonly amqp: ChannelModel,
    private readonly channel: Channel,
  ) {
    this.sdk = createClient({
      url: `ws://${address}/ws`,
      createWebSocket: (url, protocols) => new WebSocket(url, protocols),
    });
    this.done.push(
      this.every(TOPIC_EVERY_MS, () => this.tick()),
      this.every(HTTP_EVERY_MS, (n) => this.post(n)),
      this.every(SDK_EVERY_MS, (n) => this.order(n)),
    );
  }

  /** `users` get the messages to users, in turn. */
  static async start(address: string, amqpUrl: string, users: readonly string[]): Promise<Publishers> {
    const amqp = await connectAmqp(amqpUrl);
    return new Publishers(address, users, amqp, await amqp.createChannel());
  }

  /** Resolves when all messages are confirmed. Rejects if one was refused. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.done);
    await this.sdk.close();
    await this.amqp.close();
  }

  private async every(ms: number, act: (n: number) => unknown): Promise<void> {
    for (let n = 1; !this.isStopping; n++) {
      await act(n);
      await pause(ms);
    }
  }

  private tick(): void {
    const body = Buffer.from(String(++this.published.topic));
    for (const key of ['deploy', 'kept.deploy']) {
      this.channel.publish('amq.topic', key, body, { contentType: 'text/plain' });
    }
  }

  private async order(n: number): Promise<void> {
    await this.sdk.publish(ORDERS, `sdk-${n}`, { headers: { persistent: 'true' } });
    this.published.orders.push(`sdk-${n}`);
  }

  /** One message to a user, and one order. Repeats the request until it is answered, as the HTTP API asks for. */
  private async post(n: number): Promise<void> {
    const { published, users } = this;
    const user = users[n % users.length] ?? '';
    const number = (published.users.get(user) ?? 0) + 1;
    const messages = [
      { destination: `/user/${user}/queue/news`, body: String(number) },
      { destination: ORDERS, headers: { persistent: true }, body: `http-${n}` },
    ];
    const startedAt = performance.now();
    await this.request(JSON.stringify({ messages }));
    published.httpLongestMs = Math.max(published.httpLongestMs, performance.now() - startedAt);
    published.users.set(user, number);
    published.orders.push(`http-${n}`);
  }

  private async request(body: string): Promise<void> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    for (;;) {
      const status = await fetch(`http://${this.address}/api/messages`, { method: 'POST', headers, body }).then(
        async (response) => {
          const text = await response.text();
          if (response.status === 200) return 200;
          if (response.status >= 502 && response.status <= 504) return response.status;
          throw new Error(`HTTP ${response.status}: ${text}`);
        },
        () => 0,
      );
      if (status === 200) return;
      this.published.httpRetries++;
      await pause(RETRY_MS);
    }
  }
}

/** The pace of publishing is the only wait for time in this suite. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
