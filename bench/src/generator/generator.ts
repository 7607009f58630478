/** One run: connect, stay idle, publish (warm-up, then measurement), wait for messages in flight, report. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from './client.js';
import { openFrozen } from './frozen.js';
import { Histogram } from './histogram.js';
import type { Load, LoadResult } from './load.js';
import { nowMicros, Pump } from './pump.js';
import { between, found, perSession, quantiles, takeReading } from './reading.js';
import type { Reading } from './reading.js';
import { Sessions } from './sessions.js';
import { Spin } from './spin.js';
import { Tally } from './tally.js';

const LATE_MS = 100;

export class Generator {
  private readonly tally: Tally;
  private readonly sessions: Sessions;
  private readonly pump: Pump;
  private readonly spin: Spin;
  private readonly latency = new Histogram();
  private isMeasuring = false;
  private now = 0;

  constructor(private readonly load: Load) {
    this.tally = new Tally(load.subscribers, load.topics, load.window, (topic) => this.pump.messageDone(topic));
    this.sessions = new Sessions(load, {
      arrived: () => {
        this.now = nowMicros();
        this.spin.worked();
      },
      delivered: (to, topic, sequence, micros) => this.delivered(to, topic, sequence, micros),
      malformed: (_client, why) => {
        this.tally.malformed += 1;
        this.sessions.note(why);
      },
    });
    this.pump = new Pump(load, this.tally, this.sessions.publishers);
    this.spin = new Spin(() => this.pump.turn());
  }

  async run(): Promise<LoadResult> {
    const { load, sessions, pump } = this;
    const fresh = this.read();
    const frozen = await openFrozen(load);
    await sessions.open();
    const { at } = this.read();
    await delay(load.settleSeconds * 1_000);
    const idle = this.read();
    const [from, to] = load.publishers > 0 && sessions.failed === 0 ? await this.publish() : [idle, idle];
    const result: LoadResult = {
      ready: sessions.ready,
      failed: sessions.failed,
      connectsPerSecond: sessions.ready / (at - fresh.at),
      ...perSession(fresh, idle, sessions.ready),
      ...between(from, to),
      latencyMs: quantiles(this.latency),
      ...found(this.tally),
      disconnects: sessions.disconnects,
      stalls: pump.stalls,
      firstProblem: sessions.firstProblem,
    };
    sessions.close();
    for (const client of frozen) client.close();
    this.spin.stop();
    return result;
  }

  private async publish(): Promise<[Reading, Reading]> {
    const { warmupSeconds, seconds, drainSeconds } = this.load;
    this.pump.start();
    await delay(warmupSeconds * 1_000);
    const from = this.read();
    this.isMeasuring = true;
    await delay(seconds * 1_000);
    const to = this.read();
    this.isMeasuring = false;
    this.pump.stop();
    const deadline = performance.now() + drainSeconds * 1_000;
    while (this.tally.unique < this.tally.expected && performance.now() < deadline) await delay(20);
    await delay(LATE_MS); // duplicates arrive late
    return [from, to];
  }

  private delivered({ role }: Client, topic: number, sequence: number, micros: number): void {
    this.pump.deliveredAt = this.now;
    const isFirst = this.tally.deliver(role.index, topic, sequence);
    if (isFirst && this.isMeasuring) this.latency.add(this.now - micros);
  }

  private read(): Reading {
    return takeReading(this.load, this.tally, this.spin.idleMs);
  }
}
