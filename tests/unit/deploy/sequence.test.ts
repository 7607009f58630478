import { expect, test } from '@jest/globals';
import { Sequence } from '../../deploy/sequence.js';

function countsOf(
  numbers: readonly (number | 'reconnected')[],
): Pick<Sequence, 'missed' | 'holes' | 'twice' | 'outOfOrder'> {
  const sequence = new Sequence();
  for (const each of numbers) {
    if (each === 'reconnected') sequence.reconnected();
    else sequence.add(each);
  }
  const { missed, holes, twice, outOfOrder } = sequence;
  return { missed, holes, twice, outOfOrder };
}

const NOTHING = { missed: 0, holes: 0, twice: 0, outOfOrder: 0 };

test.each([
  [[5, 6, 7], NOTHING],
  [[5, 6, 'reconnected', 7], NOTHING],
  [[5, 'reconnected', 9, 10], { ...NOTHING, missed: 3 }],
  [[5, 9], { ...NOTHING, holes: 3 }],
  [['reconnected', 5, 6, 9], { ...NOTHING, holes: 2 }],
  [[5, 6, 6], { ...NOTHING, twice: 1 }],
  [[5, 7, 6, 8], { ...NOTHING, holes: 1, outOfOrder: 1 }],
] as const)('%j', (numbers, counts) => {
  expect(countsOf(numbers)).toEqual(counts);
});
