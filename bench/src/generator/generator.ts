/**
 * One run: connect everything, hold still, publish (warm up, then measure), wait for what is under way, report. With a
 * window each publisher keeps so many messages in flight; with a rate messages go out on a fixed schedule and carry the
 * time at which they were *due*, so that a server that pushes back cannot hide it.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, webSocketFrame } from './client.js';
import { Histogram } from './histogram.js';
import type { Load, LoadResult } from './load.js';
import { makeBody, MARK, writeMark } from './mark.js';
import { type ProcessFigures, readCoreSeconds, readFigures } from './process-figures.js';
import { PROTOCOLS } from './protocols.js';
import { Tally } from './tally.js';

const CONNECTING_MAX = 64;
const SET_UP_SECONDS = 90;
const SETTLE_MS = 700;
const STALL_MS = 2_000;
const LATE_MS = 100;
/** Of the ten seconds that were promised. */
const HEART_BEAT_MS = 8_000;
const SERVER_CORE = 0;

const nowMicros = (): number => Math.round(performance.now() * 1_000);

interface Reading {
  readonly at: number;
  readonly server: ProcessFigures;
  readonly broker: ProcessFigures;
  readonly core: number;
  readonly cpu: number;
  readonly loop: ReturnType<typeof performance.eventLoopUtilization>;
  readonly delivered: number;
  readonly published: number;
}

export class Generator {
  private readonly protocol;
  private readonly tally: Tally;
  private readonly latency = new Histogram();
  private readonly clients: Client[] = [];
  private readonly publishers: Client[] = [];
  private readonly templates = new Map<number, { frame: Buffer; at: number }>();
  private readyCount = 0;
  private failed = 0;
  private disconnects = 0;
  private connecting = 0;
  private stalls = 0;
  private firstProblem = '';
  private measuring = false;
  private publishing = false;
  private pumpSoon = false;
  private runnable: Client[] = [];
  private deliveredAt = 0;
  private now = 0;
  private changed = (): void => undefined;

  constructor(private readonly load: Load) {
    this.protocol = PROTOCOLS[load.protocol];
    this.tally = new Tally(load.subscribers, load.topics, load.window, (topic) => this.messageDone(topic));
  }

  async run(): Promise<LoadResult> {
    const fresh = this.read();
    const begun = performance.now();
    const beats = this.beatHearts();
    await this.connectAll();
    const connected = performance.now();
    await delay(SETTLE_MS);
    const idle = this.read();
    const [from, to] = this.load.publishers > 0 && this.failed === 0 ? await this.publishAll() : [idle, idle];
    clearInterval(beats);
    const result = this.report(fresh, idle, from, to, (connected - begun) / 1_000);
    for (const client of [...this.clients, ...this.publishers]) client.close();
    return result;
  }

  private async connectAll(): Promise<void> {
    const total = this.load.subscribers + this.load.publishers;
    const deadline = performance.now() + SET_UP_SECONDS * 1_000;
    for (let next = 0; this.readyCount + this.failed < total;) {
      while (next < total && this.connecting < CONNECTING_MAX) this.connect(next++);
      const left = deadline - performance.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.changed = () => undefined;
    const missing = total - this.readyCount - this.failed;
    if (missing > 0) this.note(`${missing} sessions were not ready in ${SET_UP_SECONDS} s`);
    this.failed += missing;
  }

  private connect(number: number): void {
    const isPublisher = number >= this.load.subscribers;
    const index = isPublisher ? number - this.load.subscribers : number;
    const client = new Client({ index, isPublisher, topic: index % this.load.topics }, this.load, this.protocol, {
      arrived: () => {
        this.now = nowMicros();
      },
      ready: () => {
        this.readyCount += 1;
        this.connecting -= 1;
        this.changed();
      },
      ended: ({ state }, why) => {
        this.note(why);
        if (state === 'ready') this.disconnects += 1;
        else {
          this.failed += 1;
          this.connecting -= 1;
        }
        this.changed();
      },
      delivered: (to, topic, sequence, micros) => this.delivered(to, topic, sequence, micros),
      malformed: (_client, why) => {
        this.tally.malformed += 1;
        this.note(why);
      },
    });
    this.connecting += 1;
    (isPublisher ? this.publishers : this.clients).push(client);
  }

  private delivered({ who }: Client, topic: number, sequence: number, micros: number): void {
    this.deliveredAt = this.now;
    const isFirst = this.tally.deliver(who.index, topic, sequence);
    if (isFirst && this.measuring) this.latency.add(this.now - micros);
  }

  private async publishAll(): Promise<[Reading, Reading]> {
    const { rate, warmupSeconds, seconds, drainSeconds } = this.load;
    this.publishing = true;
    const ended = rate > 0 ? this.pumpRate() : this.pumpWindows();
    await delay(warmupSeconds * 1_000);
    const from = this.read();
    this.measuring = true;
    await delay(seconds * 1_000);
    const to = this.read();
    this.measuring = false;
    this.publishing = false;
    await ended;
    const deadline = performance.now() + drainSeconds * 1_000;
    while (this.tally.unique < this.tally.expected && performance.now() < deadline) await delay(20);
    await delay(LATE_MS); // duplicates come late
    return [from, to];
  }

  private async pumpWindows(): Promise<void> {
    this.refill();
    while (this.publishing) {
      await delay(50);
      if (nowMicros() - this.deliveredAt < STALL_MS * 1_000) continue;
      this.stalls += 1;
      this.refill();
    }
  }

  /** At the start, and when nothing came for a long time: open windows are given up. */
  private refill(): void {
    this.deliveredAt = this.now = nowMicros();
    this.tally.forgetWindow();
    for (const publisher of this.publishers) publisher.inFlight = 0;
    this.runnable = [...this.publishers];
    this.pump();
  }

  private messageDone(topic: number): void {
    const publisher = this.publishers[topic % this.load.publishers];
    if (!publisher) return;
    if (publisher.inFlight === this.load.window) this.runnable.push(publisher);
    publisher.inFlight -= 1;
    if (this.pumpSoon) return;
    this.pumpSoon = true;
    setImmediate(() => this.pump());
  }

  private pump(): void {
    this.pumpSoon = false;
    if (!this.publishing) return;
    const runnable = this.runnable;
    this.runnable = [];
    for (const publisher of runnable) {
      const frames: Buffer[] = [];
      for (; publisher.inFlight < this.load.window; publisher.inFlight += 1) {
        const frame = this.next(publisher.nextTopic, nowMicros());
        publisher.nextTopic += this.load.publishers;
        if (publisher.nextTopic >= this.load.topics) publisher.nextTopic = publisher.who.index;
        if (frame) frames.push(frame);
      }
      if (frames.length > 0) publisher.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    }
  }

  private async pumpRate(): Promise<void> {
    const start = nowMicros();
    for (let sent = 0; this.publishing;) {
      const due = start + Math.round((sent * 1e6) / this.load.rate);
      const early = due - nowMicros();
      if (early > 0) {
        // timers are late by up to a millisecond and a bit: the last of it is spent looking at the clock
        if (early > 2_500) await delay(early / 1_000 - 1.5);
        else await new Promise((resolve) => setImmediate(resolve));
        continue;
      }
      const topic = sent % this.load.topics;
      sent += 1;
      const frame = this.next(topic, due);
      if (frame) this.publishers[topic % this.load.publishers]?.write(frame);
    }
  }

  /** The next message of a topic, counted; undefined if it is one that is lost on purpose. */
  private next(topic: number, micros: number): Buffer | undefined {
    const sequence = this.tally.publish(topic);
    if (this.load.faultSkip > 0 && this.tally.published % this.load.faultSkip === 0) return undefined;
    let template = this.templates.get(topic);
    if (!template) {
      const message = this.protocol.publish(topic, makeBody(this.load.bodyBytes));
      const frame = this.publishers[0]?.frame(message) ?? message;
      template = { frame, at: frame.indexOf(MARK) };
      this.templates.set(topic, template);
    }
    const frame = Buffer.from(template.frame);
    writeMark(frame, template.at, topic, sequence, micros);
    return frame;
  }

  /** A hundredth of the sessions at a time, so that nothing is held up by it. */
  private beatHearts(): NodeJS.Timeout | undefined {
    const { heartBeat, isBinary } = this.protocol;
    if (!heartBeat) return undefined;
    const frame = this.load.transport === 'tcp' ? heartBeat : webSocketFrame(isBinary ? 2 : 1, heartBeat);
    let turn = 0;
    return setInterval(() => {
      for (const clients of [this.clients, this.publishers]) {
        for (let i = turn; i < clients.length; i += 100) if (clients[i]?.state === 'ready') clients[i]?.write(frame);
      }
      turn = (turn + 1) % 100;
    }, HEART_BEAT_MS / 100);
  }

  private note(problem: string): void {
    if (this.firstProblem === '') this.firstProblem = problem;
  }

  private read(): Reading {
    const { user, system } = process.cpuUsage();
    return {
      at: performance.now() / 1_000,
      server: readFigures(this.load.serverPids),
      broker: readFigures(this.load.brokerPids),
      core: readCoreSeconds(SERVER_CORE),
      cpu: (user + system) / 1e6,
      loop: performance.eventLoopUtilization(),
      delivered: this.tally.unique,
      published: this.tally.published,
    };
  }

  private report(fresh: Reading, idle: Reading, from: Reading, to: Reading, connectSeconds: number): LoadResult {
    const { tally, latency } = this;
    const span = to.at - from.at;
    const delivered = to.delivered - from.delivered;
    const server = to.server.cpuSeconds - from.server.cpuSeconds;
    const broker = to.broker.cpuSeconds - from.broker.cpuSeconds;
    const grown = idle.server.rssKib - fresh.server.rssKib;
    const sessions = Math.max(1, this.readyCount);
    const percent = (seconds: number): number => (span > 0 ? Math.round((seconds / span) * 1_000) / 10 : 0);
    const millis = (share: number): number => latency.quantile(share) / 1_000;
    return {
      ready: this.readyCount,
      failed: this.failed,
      connectsPerSecond: this.readyCount / connectSeconds,
      rssPerConnectionKib: grown / sessions,
      rssPerConnectionAllKib: (grown + idle.broker.rssKib - fresh.broker.rssKib) / sessions,
      deliveriesPerSecond: span > 0 ? delivered / span : 0,
      publishedPerSecond: span > 0 ? (to.published - from.published) / span : 0,
      latencyMs: { p50: millis(0.5), p99: millis(0.99), p999: millis(0.999), max: latency.max / 1_000 },
      expected: tally.expected,
      unique: tally.unique,
      lost: tally.expected - tally.unique,
      duplicates: tally.duplicates,
      outOfOrder: tally.outOfOrder,
      misrouted: tally.misrouted,
      malformed: tally.malformed,
      disconnects: this.disconnects,
      stalls: this.stalls,
      cpuMicrosPerDelivery: delivered > 0 ? ((server + broker) * 1e6) / delivered : 0,
      serverCpuPercent: percent(server),
      brokerCpuPercent: percent(broker),
      generatorBusyPercent: Math.round(performance.eventLoopUtilization(to.loop, from.loop).utilization * 1_000) / 10,
      generatorCpuPercent: percent(to.cpu - from.cpu),
      serverCorePercent: percent(to.core - from.core),
      firstProblem: this.firstProblem,
    };
  }
}
