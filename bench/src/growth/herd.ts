/**
 * Clients that come together, each with the position at which it stopped. They count their verdicts and their messages,
 * which must follow each other without a gap.
 */
import { Client, webSocketFrame } from '../generator/client.js';
import { makeBody, writeMark } from '../generator/mark.js';
import { PROTOCOLS } from '../generator/protocols.js';
import type { Target } from '../peers.js';
import { sessionLoad } from './browser.js';

const STOMP = PROTOCOLS.stomp;
const BODY_BYTES = 128;
const HEART_BEAT = webSocketFrame(1, STOMP.heartBeat ?? Buffer.from('\n'));
const HEART_BEAT_MS = 8_000;
const CONNECTING_MAX = 64;
const DESTINATION = '/topic/b0';

/** The verdict in the RECEIPT of a SUBSCRIBE with a position. */
export interface HerdVerdict {
  readonly position: string;
  /** `true`, the reason why not, or empty if the client had no position. */
  readonly recovered: string;
}

export class Herd {
  /** Number of clients by verdict. */
  readonly verdicts = new Map<string, number>();
  /** The position of each client's RECEIPT. */
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
    const client: Client = new Client(
      { index, topic: 0, isPublisher: true },
      sessionLoad(this.target, 'stomp'),
      { ...STOMP, other: (message) => this.other(message, index) },
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
    const headers = `id:sub-0\ndestination:${DESTINATION}\nrelay-since:${this.sinceOf(index)}\nreceipt:r0`;
    client.write(client.frame(Buffer.from(`SUBSCRIBE\n${headers}\n\n\0`, 'latin1')));
  }

  private other(message: Buffer, index: number): string | undefined {
    const text = message.toString('latin1');
    if (text.trim() === '') return undefined;
    const verdict = readVerdict(text);
    if (!verdict) return text.slice(0, 200);
    this.positions[index] = verdict.position;
    this.verdicts.set(verdict.recovered, (this.verdicts.get(verdict.recovered) ?? 0) + 1);
    this.lastAnswerAt = performance.now();
    if (this.answered === 0) this.firstAnswerAt = this.lastAnswerAt;
    this.answered += 1;
    this.changed();
    return undefined;
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
    for (const client of this.clients) if (client.state === 'ready') client.write(HEART_BEAT);
  }
}

/** Reads a RECEIPT; undefined for other frames. */
export function readVerdict(frame: string): HerdVerdict | undefined {
  if (!frame.startsWith('RECEIPT\n')) return undefined;
  const header = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(frame)?.[1] ?? '';
  const recovered = header('relay-recovered');
  return { position: header('relay-position'), recovered: recovered === 'false' ? header('relay-reason') : recovered };
}

/** Publishes `count` messages, numbered from 1. Resolves when the relay has confirmed all of them. */
export function publishNumbered(target: Target, count: number, seconds: number): Promise<void> {
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
    const other = (message: Buffer): string | undefined => {
      const text = message.toString('latin1');
      if (text.startsWith('RECEIPT')) end();
      return text.trim() === '' || text.startsWith('RECEIPT') ? undefined : text.slice(0, 200);
    };
    const client: Client = new Client(
      { index: 0, topic: 0, isPublisher: true },
      sessionLoad(target, 'stomp'),
      { ...STOMP, other },
      {
        arrived: () => undefined,
        ready: () => client.write(Buffer.concat(numberedSends(count).map((send) => client.frame(send)))),
        ended: (_client, why) => end(new Error(why)),
        delivered: () => undefined,
        malformed: (_client, why) => end(new Error(why)),
      },
    );
  });
}

/** The last one asks for a receipt. */
function numberedSends(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => {
    const body = makeBody(BODY_BYTES);
    writeMark(body, 0, 0, i + 1, 0);
    if (i + 1 < count) return STOMP.publish(0, body);
    const head = `SEND\ndestination:${DESTINATION}\nreceipt:r0\ncontent-length:${BODY_BYTES}\n\n`;
    return Buffer.concat([Buffer.from(head), body, Buffer.from('\0')]);
  });
}
