/**
 * A deployment under load: two relays behind a load balancer are restarted one after the other while clients publish to
 * a queue and consume it. The clients are unmodified stompjs, which reconnects by itself. Half of them use the
 * extension `drain` and move on request.
 */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Client } from '@stomp/stompjs';
import type { IMessage } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { Balancer } from '../../support/balancer.js';
import type { Backend } from '../../support/balancer.js';
import { eventually } from '../../support/deadline.js';
import { freePorts } from '../../support/free-ports.js';
import { createVhost } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { RelayCli } from '../../support/relay-cli.js';
import type { CliProcess } from '../../support/relay-cli.js';

const CLIENTS = 60;
const SESSIONS_PER_SECOND = 10;
/** Long enough for the varying delays of a busy machine; a unit test checks every single second. */
const WINDOW_MS = 3_000;
const PUBLISH_EVERY_MS = 100;
const QUEUE = '/queue/rolling';

let vhost: Vhost;
let cli: RelayCli;
let balancer: Balancer;
let clients: LoadClient[] = [];

beforeAll(async () => {
  cli = new RelayCli();
  vhost = await createVhost();
}, 120_000);
afterEach(async () => {
  await Promise.all(clients.map((client) => client.leave()));
  await balancer.close();
  await cli.killAll();
});
afterAll(async () => {
  cli.remove();
  await vhost.delete();
});

/** The events of all clients. */
class History {
  readonly confirmed = new Set<string>();
  /** For each message, whether each of its deliveries was marked as a possible duplicate. */
  readonly received = new Map<string, boolean[]>();
  readonly closeCodes: { readonly moves: boolean; readonly code: number }[] = [];
  readonly errors: string[] = [];

  get lost(): string[] {
    return [...this.confirmed].filter((id) => !this.received.has(id));
  }

  get unmarkedDuplicates(): string[] {
    return [...this.received].filter(([, marks]) => marks.filter((isMarked) => !isMarked).length > 1).map(([id]) => id);
  }

  note({ body, headers }: IMessage): void {
    const isMarked = headers['redelivered'] === 'true' || headers['relay-resent'] === 'true';
    this.received.set(body, [...(this.received.get(body) ?? []), isMarked]);
  }
}

class LoadClient {
  private readonly client: Client;
  private readonly publishing: NodeJS.Timeout;
  private published = 0;

  constructor(
    private readonly name: string,
    url: string,
    moves: boolean,
    private readonly history: History,
  ) {
    this.client = new Client({
      webSocketFactory: () => new WebSocket(url, ['v12.stomp']),
      reconnectDelay: 100,
      ...(moves && { connectHeaders: { 'relay-extensions': 'drain' } }),
      onConnect: () => this.consume(),
      onStompError: ({ headers, body }) => void history.errors.push(`${headers['code']}: ${body}`),
      onWebSocketClose: ({ code }: { code: number }) => void history.closeCodes.push({ moves, code }),
      onUnhandledMessage: (message) => this.onMoveRequest(message),
    });
    this.client.activate();
    this.publishing = setInterval(() => this.publish(), PUBLISH_EVERY_MS);
  }

  get isConnected(): boolean {
    return this.client.connected;
  }

  stopPublishing(): void {
    clearInterval(this.publishing);
  }

  async leave(): Promise<void> {
    this.stopPublishing();
    await this.client.deactivate();
  }

  private consume(): void {
    const headers = { ack: 'client-individual', 'prefetch-count': '10' };
    this.client.subscribe(
      QUEUE,
      (message) => {
        this.history.note(message);
        message.ack();
      },
      headers,
    );
  }

  /** Sends each message once. A message without a receipt at the end of a session may be lost. */
  private publish(): void {
    if (!this.client.connected) return;
    const id = `${this.name}-${this.published++}`;
    this.client.watchForReceipt(id, () => this.history.confirmed.add(id));
    this.client.publish({ destination: QUEUE, body: id, headers: { receipt: id } });
  }

  private onMoveRequest({ headers }: IMessage): void {
    if (headers['destination'] !== '/relay/drain') return;
    const move = async (): Promise<void> => {
      await this.client.deactivate();
      this.client.activate();
    };
    setTimeout(() => void move(), Number(headers['move-in-ms']));
  }
}

function startOn({ port, adminPort }: Backend): Promise<CliProcess> {
  const ports = ['--port', String(port), '--admin-port', String(adminPort), '--tcp-port', 'off'];
  return cli.start(['--broker', vhost.amqpUrl, '--drain-rate', String(SESSIONS_PER_SECOND), ...ports]);
}

async function allConnected(): Promise<void> {
  await eventually(
    () => (clients.every(({ isConnected }) => isConnected) ? true : undefined),
    20_000,
    () => `${clients.filter(({ isConnected }) => !isConnected).length} of the clients are not connected`,
  );
}

async function bothReady(): Promise<void> {
  await eventually(
    () => (balancer.readyCount === 2 ? true : undefined),
    20_000,
    () => `${balancer.readyCount} relays are ready`,
  );
}

test('in a rolling restart no confirmed message is lost, duplicates are marked, and clients reconnect at the configured rate', async () => {
  const [a = 0, adminA = 0, b = 0, adminB = 0] = await freePorts(4);
  const backends = [
    { port: a, adminPort: adminA },
    { port: b, adminPort: adminB },
  ];
  const relays = [await startOn(backends[0]!), await startOn(backends[1]!)];
  balancer = await Balancer.start(backends);
  await bothReady();
  const history = new History();
  const url = `ws://127.0.0.1:${balancer.port}/ws`;
  clients = Array.from({ length: CLIENTS }, (_, n) => new LoadClient(`c${n}`, url, n % 2 === 0, history));
  await allConnected();
  expect(Math.min(...balancer.connections)).toBeGreaterThan(CLIENTS / 4);
  balancer.arrivals = [];

  for (const [index, backend] of backends.entries()) {
    const moving = balancer.connections[index]!;
    const before = balancer.arrivals.length;
    relays[index]!.child.kill('SIGTERM');
    expect(await relays[index]!.exited).toBe(0);
    await allConnected();
    expect(balancer.arrivals.length - before).toBeGreaterThanOrEqual(moving);
    relays[index] = await startOn(backend);
    await bothReady();
  }

  for (const client of clients) client.stopPublishing();
  await eventually(
    () => (history.lost.length === 0 ? true : undefined),
    20_000,
    () => `${history.lost.length} of ${history.confirmed.size} confirmed messages have not arrived`,
  );
  expect(history.confirmed.size).toBeGreaterThan(CLIENTS * 10);
  expect(history.unmarkedDuplicates).toEqual([]);
  expect(history.errors).toEqual([]);
  expect(balancer.busiest(WINDOW_MS)).toBeLessThanOrEqual((SESSIONS_PER_SECOND * WINDOW_MS) / 1_000);
  const codes = (moves: boolean) => [
    ...new Set(history.closeCodes.filter((each) => each.moves === moves).map(({ code }) => code)),
  ];
  expect(codes(false)).toEqual([1012]);
  expect(codes(true)).not.toContain(1012);
}, 120_000);
