import { expect, test } from '@jest/globals';
import { ReadyMessages } from '../../../../../server/src/brokers/memory/ready-messages.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
import { fc } from '../../../../support/properties.js';
import { stored } from './stored.js';

const PRIORITY_MAX = 3;

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      add: fc.nat({ max: PRIORITY_MAX + 2 }),
      expiresAt: fc.option(fc.nat({ max: 99 }), { nil: Infinity }),
    }),
  },
  { weight: 4, arbitrary: fc.constant('take' as const) },
  { weight: 3, arbitrary: fc.record({ requeue: fc.nat({ max: 99 }) }) },
  { weight: 1, arbitrary: fc.record({ expire: fc.nat({ max: 99 }) }) },
);

/** Sorts by priority, highest first, then by age. */
const byTurn = (one: StoredMessage, other: StoredMessage) =>
  Math.min(other.priority, PRIORITY_MAX) - Math.min(one.priority, PRIORITY_MAX) || one.position - other.position;

test('messages leave in order of priority and age, even if they are requeued in any order', () => {
  const property = fc.property(fc.array(step, { size: 'large', maxLength: 100 }), (steps) => {
    const ready = new ReadyMessages(PRIORITY_MAX);
    let model: StoredMessage[] = [];
    const taken: StoredMessage[] = [];
    const heads = () =>
      model.filter(
        (each, index) =>
          model.findIndex(
            (other) => Math.min(other.priority, PRIORITY_MAX) === Math.min(each.priority, PRIORITY_MAX),
          ) === index,
      );
    let position = 0;
    for (const each of steps) {
      if (each === 'take') {
        const next = model.shift();
        expect(ready.take()).toBe(next);
        if (next) taken.push(next);
      } else if ('add' in each) {
        const message = stored(++position, { priority: each.add, expiresAt: each.expiresAt });
        ready.add(message);
        model = [...model, message].sort(byTurn);
      } else if ('requeue' in each) {
        const [message] = taken.splice(each.requeue % Math.max(taken.length, 1), 1);
        if (!message) continue;
        ready.add(message);
        model = [...model, message].sort(byTurn);
      } else {
        const expired = ready.takeExpired(each.expire);
        expect(heads().filter(({ expiresAt }) => expiresAt <= each.expire).length > 0).toBe(expired !== undefined);
        if (expired) {
          expect(heads()).toContain(expired);
          model = model.filter((other) => other !== expired);
        }
      }
      expect([ready.length, ready.bytes]).toEqual([model.length, 4 * model.length]);
      expect(ready.nextExpiry).toBe(Math.min(Infinity, ...heads().map(({ expiresAt }) => expiresAt)));
    }
  });
  fc.assert(property, { numRuns: 150 });
});
