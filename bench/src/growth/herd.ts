/**
 * Clients that come together, each with the position at which it stopped. They count their verdicts and their messages,
 * which must follow each other without a gap.
 */
import { Client, webSocketFrame } from '../generator/client.js';
import { makeBody, writeMark } from '../generator/mark.js';
import type { Target } from '../peers.js';
import { sessionLoad } from './browser.js';
import { herdProtocol } from './herd-protocols.js';
import type { HerdProtocol } from './herd-protocols.js';

const BODY_BYTES = 128;
const HEART_BEAT_MS = 8_000;
const CONNECTING_MAX = 64;

export class Herd {
  /** Number of clients by verdict. */
  readonly verdicts = new Map<string, number>();
  /** The position in the answer to each client's subscription. */
  readonly positions: string[] = [];
  answered = 0;
  delivered = 0;
  /** Deliveries that were not the next message of their client. */
  wrong = 0;
  problem = '';
  firstAnswerAt = 0;
  lastAnswerAt = 0;
  lastDeliveryAt = 0;
  private readonly clients: Client[] = [];
  private readonly received: Uint32Array;
  private readonly waiting = new Set<() => void>();
  private readonly protocol: HerdProtocol;
  private readonly beats: NodeJS.Timeout;
  private connected = 0;
  private isClosing = false;

  constructor(
    private readonly target: Target,
    private readonly size: number,
    /** The position of a client, or `now`. */
    private readonly sinceOf: (client: number) => string,
  ) {
    this.received = new Uint32Array(size);
    this.protocol = herdProtocol(target.protocol);
    this.beats = setInterval(() => this.beatHearts(), HEART_BEAT_MS);
  }

  /** Opens all sessions; with `subscribes`, each subscribes at once. Resolves when all have been answered. */
  async open(subscribes: boolean, seconds: number): Promise<void> {
    const answers = (): number => (subscribes ? this.answered : this.connected);
    while (this.clients.length < this.size) {
      this.connect(this.clients.length, subscribes);
      const room = (): boolean => this.clients.length - answers() < CONNECTING_MAX;
      if (!room()) await this.until(room, seconds, 'a session was not answered');
    }
    await this.until(() => answers() === this.size, seconds, 'not all sessions were answered');
  }

  /** For sessions that have not subscribed: all subscribe now. Resolves when all have been answered. */
  async subscribe(seconds: number): Promise<void> {
    for (const [index, client] of this.clients.entries()) this.sendSubscribe(client, index);
    await this.until(() => this.answered === this.size, seconds, 'not all subscriptions were answered');
  }

  /** Resolves when every client has `each` messages. */
  async receive(each: number, seconds: number): Promise<void> {
    await this.until(() => this.delivered >= each * this.size, seconds, 'messages are missing');
  }

  close(): void {
    this.isClosing = true;
    clearInterval(this.beats);
    for (const client of this.clients) client.close();
  }

  private connect(index: number, subscribes: boolean): void {
    const { other, beside } = this.protocol;
    const read = (message: Buffer): boolean => this.readVerdict(message, index);
    const client: Client = new Client(
      { index, topic: 0, isPublisher: true },
      sessionLoad(this.target, this.target.protocol),
      {
        ...this.protocol,
        other: (message) => (read(message) ? beside?.(message) : other(message)),
        ...(beside && {
          beside: (message) => {
            read(message);
            return beside(message);
          },
        }),
      },
      {
        arrived: () => undefined,
        ready: () => {
          this.connected += 1;
          if (subscribes) this.sendSubscribe(client, index);
          this.changed();
        },
        ended: (_client, why) => this.fail(why),
        delivered: (_client, _topic, sequence) => this.deliver(index, sequence),
        malformed: (_client, why) => this.fail(why),
      },
    );
    this.clients.push(client);
  }

  private sendSubscribe(client: Client, index: number): void {
    client.write(client.frame(this.protocol.subscribe(this.sinceOf(index))));
  }

  /** Returns whether the message is the answer to the subscription. */
  private readVerdict(message: Buffer, index: number): boolean {
    const verdict = this.protocol.readVerdict(message);
    if (!verdict) return false;
    this.positions[index] = verdict.position;
    this.verdicts.set(verdict.recovered, (this.verdicts.get(verdict.recovered) ?? 0) + 1);
    this.lastAnswerAt = performance.now();
    if (this.answered === 0) this.firstAnswerAt = this.lastAnswerAt;
    this.answered += 1;
    this.changed();
    return true;
  }

  private deliver(index: number, sequence: number): void {
    const next = (this.received[index] ?? 0) + 1;
    this.received[index] = next;
    if (sequence !== next) this.wrong += 1;
    this.delivered += 1;
    this.lastDeliveryAt = performance.now();
    this.changed();
  }

  private fail(problem: string): void {
    if (this.isClosing) return;
    if (this.problem === '') this.problem = problem;
    this.changed();
  }

  private changed(): void {
    for (const check of this.waiting) check();
  }

  private until(isSo: () => boolean, seconds: number, otherwise: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.waiting.delete(check);
      };
      const fail = (why: string): void => {
        end();
        reject(new Error(`${why}: ${this.answered} answers, ${this.delivered} messages, ${this.wrong} of them wrong`));
      };
      const check = (): void => {
        if (this.problem !== '') return fail(this.problem);
        if (!isSo()) return;
        end();
        resolve();
      };
      const timer = setTimeout(() => fail(`${otherwise} in ${seconds} s`), seconds * 1_000);
      this.waiting.add(check);
      check();
    });
  }

  private beatHearts(): void {
    const { heartBeat } = this.protocol;
    if (!heartBeat) return;
    const frame = webSocketFrame(1, heartBeat);
    for (const client of this.clients) if (client.state === 'ready') client.write(frame);
  }
}

/** Publishes `count` messages, numbered from 1. Resolves when the server has confirmed all of them. */
export function publishNumbered(target: Target, count: number, seconds: number): Promise<void> {
  const protocol = herdProtocol(target.protocol);
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      clearTimeout(timer);
      client.close();
      if (error) reject(error);
      else resolve();
    };
    const timer = setTimeout(
      () => end(new Error(`${count} messages were not confirmed in ${seconds} s`)),
      seconds * 1_000,
    );
    const other = (message: Buffer): Buffer | string | undefined => {
      if (!protocol.isConfirmation(message)) return protocol.other(message);
      end();
      return undefined;
    };
    const client: Client = new Client(
      { index: 0, topic: 0, isPublisher: true },
      sessionLoad(target, target.protocol),
      { ...protocol, other },
      {
        arrived: () => undefined,
        ready: () => client.write(Buffer.concat(numbered(count, protocol).map((send) => client.frame(send)))),
        ended: (_client, why) => end(new Error(why)),
        delivered: () => undefined,
        malformed: (_client, why) => end(new Error(why)),
      },
    );
  });
}

function numbered(count: number, protocol: HerdProtocol): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const body = makeBody(BODY_BYTES);
    writeMark(body, 0, 0, i + 1, 0);
    return i + 1 < count ? protocol.publish(0, body) : protocol.publishLast(body);
  });
}
