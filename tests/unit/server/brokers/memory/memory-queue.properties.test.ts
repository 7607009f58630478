/**
 * A queue of the embedded broker, while consumers join, settle in any order and leave: no message is lost or
 * duplicated.
 */
import { expect, test } from '@jest/globals';
import type { BrokerChannel, Delivery, Outcome } from '../../../../../server/src/brokers/broker.js';
import { MemoryBroker } from '../../../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../../../server/src/config.js';
import { publishTo } from '../../../../../server/src/contract/publish-to.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';
import { fc } from '../../../../support/properties.js';

const { memory, topicExchange, topics, queues } = createConfig();
const QUEUE = parseDestination('/queue/q', 'subscribe');

const outcome = fc.constantFrom<Outcome[]>('ack', 'ack', 'requeue', 'drop');
const index = fc.nat({ max: 30 });
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ publish: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ prefetch: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 6, arbitrary: fc.record({ settle: index, outcome }) },
  { weight: 1, arbitrary: fc.record({ leave: index }) },
  { weight: 4, arbitrary: fc.constant('a turn of the event loop' as const) },
);

class Scene {
  readonly broker = new MemoryBroker({ ...memory, topicExchange, topics, queueArguments: queues.arguments });
  published = 0;
  /** The unsettled deliveries, each with its channel. */
  readonly held = new Map<Delivery, BrokerChannel>();
  readonly channels: BrokerChannel[] = [];
  readonly over: string[] = [];
  /** The bodies of messages that were delivered at least once. */
  private readonly seen = new Set<string>();

  async publish(): Promise<void> {
    const message = { headers: new Map<string, string>(), body: Buffer.from(String(++this.published)) };
    await publishTo(this.broker, QUEUE, message, { mandatory: true });
  }

  async join(prefetch: number): Promise<void> {
    const channel = this.broker.openChannel({ sessionId: 's', user: 'u', clientId: undefined });
    this.channels.push(channel);
    const deliver = (delivery: Delivery): void => {
      const body = delivery.message.body.toString();
      expect([...this.held.keys()].map((each) => each.message.body.toString())).not.toContain(body);
      expect(this.over).not.toContain(body);
      expect(delivery.redelivered).toBe(this.seen.has(body));
      this.seen.add(body);
      this.held.set(delivery, channel);
      expect([...this.held.values()].filter((each) => each === channel).length).toBeLessThanOrEqual(prefetch);
    };
    const headers = new Map([['prefetch-count', String(prefetch)]]);
    await channel.consume(QUEUE, { ack: 'client', headers, subscriptionId: 's' }, { deliver, ended: () => {} });
  }

  settle(place: number, outcome: Outcome): void {
    const delivery = [...this.held.keys()][place % Math.max(this.held.size, 1)];
    if (!delivery) return;
    this.held.delete(delivery);
    if (outcome !== 'requeue') this.over.push(delivery.message.body.toString());
    delivery.settle(outcome);
  }

  async leave(place: number): Promise<void> {
    const [channel] = this.channels.splice(place % Math.max(this.channels.length, 1), 1);
    for (const [delivery, holder] of this.held) if (holder === channel) this.held.delete(delivery);
    await channel?.close();
  }
}

const turn = () => new Promise(setImmediate);

test('each message is held by one consumer at a time, marked when redelivered, and settled once', async () => {
  const property = fc.asyncProperty(fc.array(step, { size: 'large', maxLength: 50 }), async (steps) => {
    const scene = new Scene();
    await scene.broker.start();
    for (const each of steps) {
      if (each === 'a turn of the event loop') await turn();
      else if ('publish' in each) for (let count = 0; count < each.publish; count++) await scene.publish();
      else if ('prefetch' in each) await scene.join(each.prefetch);
      else if ('settle' in each) scene.settle(each.settle, each.outcome);
      else await scene.leave(each.leave);
    }
    while (scene.channels.length > 0) await scene.leave(0);
    // The remaining messages, in order
    const left = Array.from({ length: scene.published }, (_, i) => String(i + 1)).filter(
      (body) => !scene.over.includes(body),
    );
    await scene.join(65_535);
    await turn();
    expect([...scene.held.keys()].map(({ message }) => message.body.toString())).toEqual(left);
    await scene.broker.close();
  });
  await fc.assert(property, { numRuns: 150 });
}, 60_000);
