/** The counts of deliveries, against a plain count for each member. */
import { expect, test } from '@jest/globals';
import { MemberProgress } from '../../../../server/src/delivery/member-progress.js';
import { fc } from '../../../support/properties.js';

const NAMES = ['a', 'b', 'c'];
const step = fc.record({
  kind: fc.constantFrom('join', 'leave', 'all', 'one', 'aside', 'rejoin'),
  name: fc.constantFrom(...NAMES),
  count: fc.nat(5),
});

test('each member has the count of its own deliveries', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const progress = new MemberProgress<string>();
      const model = new Map<string, { count: number; isAside: boolean }>();
      for (const { kind, name, count } of steps) {
        const member = model.get(name);
        if (kind === 'all') {
          progress.countAll(count);
          for (const each of model.values()) if (!each.isAside) each.count += count;
        } else if (kind === 'join') {
          if (member) continue;
          progress.join(name, count);
          model.set(name, { count, isAside: false });
        } else if (!member) continue;
        else if (kind === 'leave') {
          progress.leave(name);
          model.delete(name);
        } else if (kind === 'one') {
          if (member.isAside) progress.countAside(name, `p${count}`);
          else progress.countOne(name);
          member.count++;
        } else if (kind === 'aside' && !member.isAside) {
          progress.setAside(name, 'p');
          member.isAside = true;
        } else if (kind === 'rejoin' && member.isAside) {
          progress.rejoin(name);
          member.isAside = false;
        }
        for (const [each, { count: expected }] of model) expect(progress.delivered(each)).toBe(expected);
      }
    }),
  );
});

test('a member aside has the position of its last message', () => {
  const progress = new MemberProgress<string>();
  progress.join('a', 0);
  progress.setAside('a', 'p1');
  expect(progress.positionAside('a')).toBe('p1');
  progress.countAside('a', 'p4');
  progress.countAside('a', undefined);
  expect([progress.positionAside('a'), progress.delivered('a')]).toEqual(['p4', 2]);
  progress.rejoin('a');
  expect(progress.positionAside('a')).toBeUndefined();
});
