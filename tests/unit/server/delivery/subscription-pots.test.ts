import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { SharedDestination } from '../../../../server/src/brokers/broker.js';
import { subscribingAt } from '../../../../server/src/delivery/group-subscribe.js';
import { countingPatterns, createSubscriptionPots } from '../../../../server/src/delivery/subscription-pots.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { SharedPots } from '../../../../server/src/load/shared-pots.js';
import { ScriptedBroker } from '../../../support/scripted-broker.js';

const HEADERS: ReadonlyMap<string, string> = new Map();
const shared = (text: string) => parseDestination(text, 'subscribe') as SharedDestination;

function setUp(patternsMax = 4) {
  const broker = new ScriptedBroker();
  const { patterns } = createSubscriptionPots(new SharedPots(), { subscriptionsMax: 10, patternsMax });
  const subscribe = countingPatterns(subscribingAt(broker), patterns);
  const errors: unknown[] = [];
  const join = (text: string, account?: string) =>
    subscribe(
      { destination: shared(text), headers: HEADERS },
      () => undefined,
      { ended: (error) => void errors.push(error), gap: () => undefined },
      account,
    );
  return { broker, patterns, join, errors };
}

describe('patterns of groups', () => {
  test('count once, however many groups have them, for the first account', async () => {
    const { patterns, join } = setUp();
    const first = await join('/topic/a.*', 'user:a');
    const second = await join('/topic/a.*', 'user:b');
    await join('/topic/a');
    expect([patterns.used, patterns.heldBy('user:a'), patterns.heldBy('user:b')]).toEqual([1, 1, 0]);
    await first.close();
    expect(patterns.used).toBe(1);
    await second.close();
    await second.close();
    expect(patterns.used).toBe(0);
  });

  test('have a share for each account', async () => {
    const { patterns, join } = setUp();
    await join('/topic/1.*', 'user:a');
    await join('/topic/2.*', 'user:a');
    await expect(join('/topic/3.*', 'user:a')).rejects.toMatchObject({
      code: 'too-many-subscriptions',
      message: expect.stringContaining('limits.patternsMax (4)'),
    });
    await join('/topic/2.*', 'user:a');
    await join('/topic/3.*', 'user:b');
    expect(patterns.used).toBe(3);
  });

  test('are free again when the broker refuses or ends the subscription', async () => {
    const { broker, patterns, join, errors } = setUp();
    broker.holds.add('subscribe');
    const refused = join('/topic/1.*', 'user:a');
    broker.subscriptions[0]!.live.refuse(new BrokerError('access-refused', 'no'));
    await expect(refused).rejects.toMatchObject({ code: 'access-refused' });
    expect(patterns.used).toBe(0);
    broker.holds.clear();
    await join('/topic/1.*', 'user:a');
    broker.subscriptions[1]!.ended?.(new BrokerError('subscription-ended', 'gone'));
    expect([patterns.used, errors.length]).toEqual([0, 1]);
  });
});
