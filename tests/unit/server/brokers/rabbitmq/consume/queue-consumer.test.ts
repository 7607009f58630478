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
  test('a refused first set-up rejects for the caller, and is not tried again', async () => {
    const { consumer, endings } = makeConsumer();
    expect(consumer.failed(refusal('queue-not-found'), 1_000)).toBe(false);
    await expect(consumer.started.promise).rejects.toMatchObject({ code: 'queue-not-found' });
    expect(endings).toEqual([]);
  });

  test('later, temporary refusals are tried again, and permanent ones end the subscription once', () => {
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

  test('a dead connection of the relay may hold a queue for a while', () => {
    const { consumer, endings } = makeConsumer();
    consumer.attached('tag');
    consumer.detached();
    for (let i = 0; i < 10; i++) expect(consumer.failed(refusal('queue-in-use'), 60_000)).toBe(true);
    expect(consumer.failed(refusal('queue-in-use'), 0)).toBe(false);
    expect(endings).toHaveLength(1);
  });

  test('deliveries after the end are requeued', () => {
    const { consumer, delivered } = makeConsumer();
    consumer.attached('tag');
    consumer.end();
    const outcomes: string[] = [];
    consumer.deliver({ settle: (outcome: string) => outcomes.push(outcome) } as unknown as Delivery);
    expect(delivered).toEqual([]);
    expect(outcomes).toEqual(['requeue']);
  });
});
