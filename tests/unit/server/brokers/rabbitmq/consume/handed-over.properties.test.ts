/**
 * A queue at RabbitMQ and its consumer, while channels end at any time: acks are handled late, deliveries are lost on
 * their way, and few different bodies make many equal messages. The broker is killed, too. No message is lost, and none comes twice without a mark.
 */
import { expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { HandedOver } from '../../../../../../server/src/brokers/rabbitmq/consume/handed-over.js';
import { fc } from '../../../../../support/properties.js';

const PREFETCH = 6;

interface Stored {
  readonly id: number;
  readonly body: string;
  redelivered: boolean;
}

class Model {
  private ready: Stored[] = [];
  /** Delivered by the broker and not settled there, oldest first. */
  private unsettled: { readonly tag: number; readonly stored: Stored }[] = [];
  private onTheWay: { readonly tag: number; readonly stored: Stored; readonly redelivered: boolean }[] = [];
  private acks: number[] = [];
  /** Oldest first. */
  private settled: Stored[] = [];
  private tag = 0;
  private ids = 0;
  missing = 0;
  readonly clients: { readonly id: number; readonly marked: boolean }[] = [];
  private readonly handedOver = new HandedOver(() => this.missing++);

  publish(body: string): void {
    this.ready.push({ id: this.ids++, body, redelivered: false });
  }

  /** The broker delivers as much as the prefetch count allows. */
  deliver(): void {
    while (this.ready.length > 0 && this.unsettled.length < PREFETCH) {
      const stored = this.ready.shift()!;
      this.unsettled.push({ tag: ++this.tag, stored });
      this.onTheWay.push({ tag: this.tag, stored, redelivered: stored.redelivered });
    }
  }

  receive(count: number): void {
    for (const { tag, stored, redelivered } of this.onTheWay.splice(0, count)) {
      const fields = { deliveryTag: tag, redelivered, exchange: 'e', routingKey: 'k', consumerTag: 'c' };
      const message = {
        fields,
        properties: { deliveryMode: 2 },
        content: Buffer.from(stored.body),
      } as unknown as ConsumeMessage;
      const judgement = this.handedOver.judge(message);
      if (judgement !== 'again') this.clients.push({ id: stored.id, marked: judgement === 'unsure' });
      this.handedOver.add(message, PREFETCH);
      // All but the latest
      if (tag > 1) this.acks.push(tag - 1);
    }
  }

  /** The broker handles the oldest acks. */
  settle(count: number): void {
    for (const upTo of this.acks.splice(0, count)) {
      this.settled.push(...this.unsettled.filter(({ tag }) => tag <= upTo).map(({ stored }) => stored));
      this.unsettled = this.unsettled.filter(({ tag }) => tag > upTo);
    }
  }

  lose(): void {
    const requeued = this.unsettled.map(({ stored }) => stored);
    for (const stored of requeued) stored.redelivered = true;
    this.ready.unshift(...requeued);
    this.end();
  }

  /** The broker is killed. It has forgotten its latest acks, and which messages it had delivered. */
  crash(): void {
    this.ready = [...this.settled.splice(-3), ...this.unsettled.map(({ stored }) => stored), ...this.ready];
    this.ready.sort((a, b) => a.id - b.id);
    for (const stored of this.ready) stored.redelivered = false;
    this.end();
  }

  private end(): void {
    this.unsettled = [];
    this.onTheWay = [];
    this.acks = [];
    this.tag = 0;
    this.handedOver.returned();
  }

  finish(): void {
    for (let i = 0; i < this.ids * 2 + 10; i++) {
      this.deliver();
      this.receive(PREFETCH);
      this.settle(PREFETCH);
    }
  }

  get published(): number {
    return this.ids;
  }
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ publish: fc.constantFrom('a', 'b', 'c') }) },
  { weight: 3, arbitrary: fc.constant('deliver' as const) },
  { weight: 3, arbitrary: fc.record({ receive: fc.integer({ min: 1, max: PREFETCH }) }) },
  { weight: 3, arbitrary: fc.record({ settle: fc.integer({ min: 1, max: PREFETCH }) }) },
  { weight: 1, arbitrary: fc.constant('lose' as const) },
  { weight: 1, arbitrary: fc.constant('crash' as const) },
);

test('nothing is lost, nothing comes twice without a mark, and first deliveries keep their order', () => {
  const property = fc.property(fc.array(step, { size: 'large', maxLength: 120 }), (steps) => {
    const model = new Model();
    for (const each of steps) {
      if (each === 'deliver') model.deliver();
      else if (each === 'lose') model.lose();
      else if (each === 'crash') model.crash();
      else if ('publish' in each) model.publish(each.publish);
      else if ('receive' in each) model.receive(each.receive);
      else model.settle(each.settle);
    }
    model.finish();
    // Each message arrives, also among equal ones
    const ids = model.clients.map(({ id }) => id);
    expect([...new Set(ids)]).toEqual(Array.from({ length: model.published }, (_, i) => i));
    const seen = new Set<number>();
    for (const { id, marked } of model.clients) {
      expect(marked || !seen.has(id)).toBe(true);
      seen.add(id);
    }
    expect(model.missing).toBe(0);
  });
  fc.assert(property, { numRuns: 500 });
});
