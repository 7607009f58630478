import { expect, test } from '@jest/globals';
import { selfTest } from '../../../bench/src/self-test.js';

test('the load generator finds planted losses, duplicates, swaps and damage, and nothing else', async () => {
  const lines: string[] = [];
  await selfTest((line) => lines.push(line));
  expect(lines.filter((line) => !line.startsWith('ok'))).toEqual([]);
  expect(lines).toHaveLength(6);
}, 60_000);
