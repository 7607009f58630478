/**
 * Publishes. By window, each publisher keeps `window` messages in flight. By rate, messages go out on a fixed schedule
 * and carry the time at which they were *due*, so that the latency includes back-pressure of the server.
 */
import type { Client } from './client.js';
import type { Load } from './load.js';
import { makeBody, MARK, writeMark } from './mark.js';
import { PROTOCOLS } from './protocols.js';
import type { Tally } from './tally.js';

const STALL_MS = 2_000;

export const nowMicros = (): number => Math.round(performance.now() * 1_000);

export class Pump {
  /** Windows reset because no delivery came for `STALL_MS`. */
  stalls = 0;
  /** Time of the last delivery. */
  deliveredAt = 0;
  private isOpen = false;
  private startedAt = 0;
  private sent = 0;
  /** Publishers with room in their windows. */
  private runnable: Client[] = [];
  private readonly templates = new Map<number, { frame: Buffer; at: number }>();

  constructor(
    private readonly load: Load,
    private readonly tally: Tally,
    private readonly publishers: readonly Client[],
  ) {}

  start(): void {
    this.isOpen = true;
    this.startedAt = nowMicros();
    if (this.load.rate === 0) this.refill();
  }

  stop(): void {
    this.isOpen = false;
  }

  /** Called in each turn of the event loop; returns whether a message was due. */
  turn(): boolean {
    if (!this.isOpen) return false;
    return this.load.rate > 0 ? this.sendDue() : this.fillWindows();
  }

  /** Makes room in the window: all subscribers of the topic have a message. */
  messageDone(topic: number): void {
    const publisher = this.publishers[topic % this.load.publishers];
    if (!publisher) return;
    if (publisher.inFlight === this.load.window) this.runnable.push(publisher);
    publisher.inFlight -= 1;
  }

  private sendDue(): boolean {
    const now = nowMicros();
    const before = this.sent;
    for (;;) {
      const due = this.startedAt + Math.round((this.sent * 1e6) / this.load.rate);
      if (due > now) return this.sent > before;
      const topic = this.sent % this.load.topics;
      this.sent += 1;
      const frame = this.next(topic, due);
      if (frame) this.publishers[topic % this.load.publishers]?.write(frame);
    }
  }

  private fillWindows(): boolean {
    if (this.runnable.length === 0) {
      if (nowMicros() - this.deliveredAt < STALL_MS * 1_000) return false;
      this.stalls += 1;
      this.refill();
    }
    const { runnable } = this;
    this.runnable = [];
    for (const publisher of runnable) {
      const frames: Buffer[] = [];
      for (; publisher.inFlight < this.load.window; publisher.inFlight += 1) {
        const frame = this.next(publisher.nextTopic, nowMicros());
        publisher.nextTopic += this.load.publishers;
        if (publisher.nextTopic >= this.load.topics) publisher.nextTopic = publisher.role.index;
        if (frame) frames.push(frame);
      }
      if (frames.length > 0) publisher.write(frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames));
    }
    return true;
  }

  /** Resets all windows, at the start and after a stall. */
  private refill(): void {
    this.deliveredAt = nowMicros();
    this.tally.forgetWindow();
    for (const publisher of this.publishers) publisher.inFlight = 0;
    this.runnable = [...this.publishers];
  }

  /** Counts and returns the next message of a topic; undefined for a planted loss. */
  private next(topic: number, micros: number): Buffer | undefined {
    const sequence = this.tally.publish(topic);
    if (this.load.faultSkip > 0 && this.tally.published % this.load.faultSkip === 0) return undefined;
    let template = this.templates.get(topic);
    if (!template) {
      const message = PROTOCOLS[this.load.protocol].publish(topic, makeBody(this.load.bodyBytes));
      const frame = this.publishers[0]?.frame(message) ?? message;
      template = { frame, at: frame.indexOf(MARK) };
      this.templates.set(topic, template);
    }
    const frame = Buffer.from(template.frame);
    writeMark(frame, template.at, topic, sequence, micros);
    return frame;
  }
}
