/** Nodes that are killed, restarted and frozen while clients send to a quorum queue: nothing confirmed is lost. */
import { expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import type { TestRelay } from '../support/relay.js';
import type { StompClient } from '../support/stomp-client.js';
import { RESTART_MS, stageCluster } from './cluster-stage.js';

const stage = stageCluster();
const SENDERS = 8;
const PACE_MS = 50;
const FROZEN_MS = 10_000;
const QUORUM = { 'x-queue-type': 'quorum' };
/** More than any fault of these tests takes. */
const PATIENT = { publishTimeoutMs: RESTART_MS, heartbeatSeconds: 1 };

/**
 * Clients that send at a pace, and a consumer of it all. They do not wait for their RECEIPTs: after the death of a
 * leader, RabbitMQ 3.10 confirms the messages to a quorum queue only when the channel has a further one.
 */
class Load {
  readonly confirmed: string[] = [];
  readonly received = new Set<string>();
  private isStopping = false;
  /** All senders have all their RECEIPTs. */
  private isSent = false;
  private readonly senders: StompClient[] = [];
  private readonly work: Promise<void>[] = [];
  private consumer!: StompClient;

  private constructor(private readonly queue: string) {}

  static async start(relay: TestRelay, queue: string): Promise<Load> {
    const load = new Load(`/queue/${queue}`);
    load.consumer = await stage.connect(relay);
    await load.consumer.receipt('SUBSCRIBE', { id: 's', destination: load.queue, ack: 'client', ...QUORUM });
    load.work.push(load.consume());
    for (let n = 0; n < SENDERS; n++) {
      const sender = await stage.connect(relay);
      load.senders.push(sender);
      load.work.push(load.send(sender, n));
    }
    return load;
  }

  private async send(sender: StompClient, n: number): Promise<void> {
    let sent = 0;
    const send = (): void => {
      const body = `${n}-${sent++}`;
      sender.sendFrame('SEND', { destination: this.queue, receipt: body, persistent: 'true', ...QUORUM }, body);
    };
    const pace = setInterval(() => this.isStopping || send(), PACE_MS);
    send();
    try {
      for (let i = 0; i < sent; i++) {
        const { command, headers, body } = await sender.nextFrame(4 * RESTART_MS);
        expect([command, headers['code'], body.toString()].join(' ')).toBe('RECEIPT  ');
        this.confirmed.push(headers['receipt-id']!);
        // Without a message in flight it waits for the next one
        if (i === sent - 1 && !this.isStopping) send();
      }
    } finally {
      clearInterval(pace);
    }
  }

  private async consume(): Promise<void> {
    while (!this.isSent || !this.isComplete) {
      const message = await this.consumer.nextFrame(4 * RESTART_MS);
      expect(message.command).toBe('MESSAGE');
      this.received.add(message.body.toString());
      this.consumer.sendFrame('ACK', { id: message.headers['ack'] ?? '' });
    }
  }

  private get isComplete(): boolean {
    return this.confirmed.every((body) => this.received.has(body));
  }

  /** Resolves when each sender has a further confirm. */
  async progress(): Promise<void> {
    const counts = (): number[] =>
      this.senders.map((_, n) => this.confirmed.filter((body) => body.startsWith(`${n}-`)).length);
    const before = counts();
    await eventually(
      () => (counts().every((count, n) => count > before[n]! + 1) ? true : undefined),
      RESTART_MS,
      () => `some senders get no confirms: ${before.join()} then ${counts().join()}`,
    );
  }

  /** Resolves when all that is confirmed has arrived, and expects that no session has ended. */
  async stop(): Promise<void> {
    this.isStopping = true;
    // The last message wakes the consumer
    await Promise.all(this.work.slice(1));
    this.isSent = true;
    const last = this.senders[0]!;
    last.sendFrame('SEND', { destination: this.queue, receipt: 'last', ...QUORUM }, 'last');
    await this.work[0];
    expect([this.consumer, ...this.senders].map(({ isClosed }) => isClosed)).not.toContain(true);
    expect(this.confirmed.filter((body) => !this.received.has(body))).toEqual([]);
  }
}

test('each node in turn is killed and started again', async () => {
  const load = await Load.start(await stage.relay([0, 1, 2], PATIENT), 'killed');
  for (const node of stage.nodes) {
    await load.progress();
    await node.kill();
    await load.progress();
    await node.start();
  }
  await load.progress();
  await load.stop();
}, 900_000);

test('each node in turn is stopped in order and started again', async () => {
  const load = await Load.start(await stage.relay([0, 1, 2], PATIENT), 'rolled');
  for (const node of stage.nodes) {
    await node.kill('SIGTERM');
    await node.start();
    await load.progress();
  }
  await load.stop();
}, 900_000);

test('a node that is frozen for ten seconds holds SENDs up, and no more', async () => {
  const load = await Load.start(await stage.relay([0, 1, 2], PATIENT), 'frozen');
  const [, node] = stage.nodes;
  await load.progress();
  await node.freeze();
  // The duration of the fault is the only wait for time
  await new Promise((resolve) => setTimeout(resolve, FROZEN_MS)).finally(() => node.thaw());
  await load.progress();
  await load.stop();
}, 900_000);
