import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type { BrokerErrorCode, Delivery } from '../../../../../../server/src/brokers/broker.js';
import type { QueuePlan } from '../../../../../../server/src/brokers/queue-plan.js';
import { QueueConsumer } from '../../../../../../server/src/brokers/rabbitmq/consume/queue-consumer.js';

const PLAN = { queue: 'q', source: 'as-found', consumer: {} } as QueuePlan;
const refusal = (code: BrokerErrorCode) => new BrokerError(code, `because of ${code}`);

function makeConsumer() {
  const delivered: Delivery[] = [];
  const endings: BrokerError[] = [];
  const target = {
    deliver: (delivery: Delivery) => delivered.push(delivery),
    ended: (error: BrokerError) => endings.push(error),
  };
  return { consumer: new QueueConsumer(PLAN, target), delivered, endings };
}

describe('QueueConsumer', () => {
  test('a first set-up that is refused is told to who asked, and not tried again', async () => {
    const { consumer, endings } = makeConsumer();
    expect(consumer.failed(refusal('queue-not-found'), 1_000)).toBe(false);
    await expect(consumer.started.promise).rejects.toMatchObject({ code: 'queue-not-found' });
    expect(endings).toEqual([]);
  });

  test('later, what may pass is tried again, and what does not ends the subscription, once', () => {
    const { consumer, endings } = makeConsumer();
    consumer.attached('tag');
    consumer.detached();
    for (let i = 0; i < 10; i++) expect(consumer.failed(refusal('broker-unavailable'), 1_000)).toBe(true);
    consumer.attached('tag');
    consumer.detached();
    const tries = Array.from({ length: 4 }, () => consumer.failed(refusal('queue-not-found'), 1_000));
    expect(tries).toEqual([true, true, false, false]);
    expect(endings.map(({ code }) => code)).toEqual(['subscription-ended']);
  });

  test('a queue in use may be held by our own dead connection, for a while', () => {
    const { consumer, endings } = makeConsumer();
    consumer.attached('tag');
    consumer.detached();
    for (let i = 0; i < 10; i++) expect(consumer.failed(refusal('queue-in-use'), 60_000)).toBe(true);
    expect(consumer.failed(refusal('queue-in-use'), 0)).toBe(false);
    expect(endings).toHaveLength(1);
  });

  test('after its end, what arrives goes back', () => {
    const { consumer, delivered } = makeConsumer();
    consumer.attached('tag');
    consumer.end();
    const outcomes: string[] = [];
    consumer.deliver({ settle: (outcome: string) => outcomes.push(outcome) } as unknown as Delivery);
    expect(delivered).toEqual([]);
    expect(outcomes).toEqual(['requeue']);
  });
});
