import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BatchedAcks } from '../../../../../../server/src/brokers/rabbitmq/consume/batched-acks.js';
import { fc } from '../../../../../support/properties.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** A channel as the broker sees it. The broker would close it over an ack with an unknown or settled tag. */
class Channel {
  delivered = 0;
  acked = 0;

  ack(tag: number): void {
    if (tag <= this.acked || tag > this.delivered) throw new Error(`unknown delivery tag ${tag}`);
    this.acked = tag;
  }

  get unacked(): number {
    return this.delivered - this.acked;
  }
}

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ deliver: fc.oneof(fc.nat({ max: 5 }), fc.nat({ max: 200 })) }) },
    { weight: 3, arbitrary: fc.constant('end of the tick' as const) },
    { weight: 1, arbitrary: fc.constant('new channel' as const) },
  ),
  { size: 'large', maxLength: 30 },
);

test('every delivery is acknowledged once, on its own channel, by the end of the tick and in batches', () => {
  const property = fc.property(steps, (all) => {
    let channel = new Channel();
    let mostUnacked = 0;
    const acks = new BatchedAcks((tag) => channel.ack(tag));
    for (const step of [...all, 'end of the tick' as const]) {
      if (step === 'new channel') {
        acks.drop();
        channel = new Channel();
      } else if (step === 'end of the tick') {
        jest.runAllTimers();
        expect(channel.unacked).toBe(0);
      } else {
        for (let count = 0; count < step.deliver; count++) {
          acks.add(++channel.delivered);
          mostUnacked = Math.max(mostUnacked, channel.unacked);
        }
      }
    }
    expect(mostUnacked).toBeLessThan(64);
  });
  fc.assert(property, { numRuns: 300 });
});
