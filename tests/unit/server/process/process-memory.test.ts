import { expect, test } from '@jest/globals';
import { processMemory } from '../../../../server/src/process/process-memory.js';

test('is the memory of this process', () => {
  const { residentBytes, heapBytes, heapMaxBytes } = processMemory();
  expect(residentBytes).toBeGreaterThan(heapBytes);
  expect(heapBytes).toBeGreaterThan(1_000_000);
  expect(heapMaxBytes).toBeGreaterThan(heapBytes);
});
