/** One session of the crowd: a connection of the generator that subscribes and unsubscribes on demand. */
import { Client, webSocketFrame } from '../generator/client.js';
import type { Load } from '../generator/load.js';
import { makeBody } from '../generator/mark.js';
import { PROTOCOLS } from '../generator/protocols.js';
import type { Target } from '../peers.js';

const BODY_BYTES = 128;
const STOMP = PROTOCOLS.stomp;
const HEART_BEAT = webSocketFrame(1, STOMP.heartBeat ?? Buffer.from('\n'));

export interface BrowserEvents {
  ready(): void;
  /** Also called if the session never became ready. */
  ended(why: string): void;
  /** An ERROR or another unexpected frame arrived. */
  problem(what: string): void;
  delivered?(topic: number): void;
}

export class Browser {
  private readonly client: Client;
  private readonly receipts = new Map<string, () => void>();
  private receiptCount = 0;

  constructor(target: Target, events: BrowserEvents) {
    this.client = new Client(
      { index: 0, topic: 0, isPublisher: true },
      sessionLoad(target, 'stomp-unconfirmed'), // it may have many subscriptions, not only sub-0
      { ...STOMP, other: (message) => this.other(message) },
      {
        arrived: () => undefined,
        ready: () => events.ready(),
        ended: (_client, why) => events.ended(why),
        delivered: (_client, topic) => events.delivered?.(topic),
        malformed: (_client, why) => events.problem(why),
      },
    );
  }

  get isReady(): boolean {
    return this.client.state === 'ready';
  }

  /** Resolves with the RECEIPT. If the session ends first, it never resolves and `ended` is called. */
  subscribe(topic: number, id: string): Promise<void> {
    return this.ask(
      (receipt) => `SUBSCRIBE\nid:${id}\ndestination:/topic/b${topic}\nack:auto\nreceipt:${receipt}\n\n\0`,
    );
  }

  unsubscribe(id: string): Promise<void> {
    return this.ask((receipt) => `UNSUBSCRIBE\nid:${id}\nreceipt:${receipt}\n\n\0`);
  }

  publish(topic: number): void {
    this.client.write(this.client.frame(STOMP.publish(topic, bodyFor(topic))));
  }

  beatHeart(): void {
    if (this.isReady) this.client.write(HEART_BEAT);
  }

  close(): void {
    this.client.close();
  }

  private ask(frame: (receipt: string) => string): Promise<void> {
    const receipt = `r${this.receiptCount++}`;
    return new Promise((resolve) => {
      this.receipts.set(receipt, resolve);
      this.client.write(this.client.frame(Buffer.from(frame(receipt), 'latin1')));
    });
  }

  private other(message: Buffer): string | undefined {
    const text = message.toString('latin1');
    const receipt = /^RECEIPT\n(?:.*\n)*?receipt-id:(.+)\n/.exec(text)?.[1] ?? '';
    const resolve = this.receipts.get(receipt);
    this.receipts.delete(receipt);
    resolve?.();
    return resolve || text.trim() === '' ? undefined : text.slice(0, 200);
  }
}

function bodyFor(topic: number): Buffer {
  const body = makeBody(BODY_BYTES);
  body.write(topic.toString(16).padStart(6, '0') + '1'.padStart(8, '0') + '0'.repeat(16), 4, 'latin1');
  return body;
}

/** For a session that publishes and subscribes by itself. */
export function sessionLoad(target: Target, protocol: Load['protocol']): Load {
  return {
    ...target,
    protocol,
    subscribers: 0,
    topics: 0,
    publishers: 0,
    bodyBytes: BODY_BYTES,
    window: 0,
    rate: 0,
    settleSeconds: 0,
    warmupSeconds: 0,
    seconds: 0,
    drainSeconds: 0,
    faultSkip: 0,
  };
}
