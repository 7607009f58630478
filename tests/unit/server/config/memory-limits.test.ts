import { describe, expect, test } from '@jest/globals';
import { availableMemory, fitParts, memoryLimits } from '../../../../server/src/config/memory-limits.js';
import { createConfig } from '../../../../server/src/config.js';

const MIB = 1024 * 1024;

describe('the memory of the process', () => {
  test.each([
    [512, 512],
    [0, 2_048],
    [2 ** 44, 2_048],
  ])('with a limit of %d MiB on a machine with 2 GiB it is %d MiB', (constrained, expected) => {
    expect(availableMemory(constrained * MIB, 2_048 * MIB)).toBe(expected * MIB);
  });

  test('60 % of it is the budget, divided by the number of processes, and 85 % is dangerous', () => {
    expect(memoryLimits(undefined, 1, 1_000 * MIB)).toEqual({ memoryMaxBytes: 600 * MIB, processMaxBytes: 850 * MIB });
    expect(memoryLimits(undefined, 4, 1_000 * MIB)).toEqual({
      memoryMaxBytes: 150 * MIB,
      processMaxBytes: 212.5 * MIB,
    });
  });

  test('a given budget is that of one process', () => {
    expect(memoryLimits(100 * MIB, 4, 1_000 * MIB).memoryMaxBytes).toBe(100 * MIB);
  });
});

describe('the limits that are parts of the budget', () => {
  const sections = { http: { bodiesMaxBytes: 256 * MIB, other: 1 }, rest: { a: 2 } };

  test('shrink if their defaults do not fit', () => {
    const fitted = fitParts(sections, 400 * MIB, () => true);
    expect(fitted).toEqual({ http: { bodiesMaxBytes: 50 * MIB, other: 1 }, rest: { a: 2 } });
  });

  test('stay where they fit, and where they were configured', () => {
    expect(fitParts(sections, 8_000 * MIB, () => true)).toEqual(sections);
    expect(fitParts(sections, 400 * MIB, () => false)).toEqual(sections);
  });

  test('are those of the configuration', () => {
    const { memory, session, http, rabbitmq } = createConfig({
      memoryMaxBytes: 64 * MIB,
      memory: { messagesMaxBytes: 100 * MIB },
    });
    expect(memory.messagesMaxBytes).toBe(100 * MIB);
    expect(memory.queueMaxBytes).toBe(4 * MIB);
    expect(session.sendQueuesMaxBytes).toBe(16 * MIB);
    expect([http.bodiesMaxBytes, rabbitmq.unconfirmedMaxBytes]).toEqual([8 * MIB, 8 * MIB]);
    expect(rabbitmq.instanceInFlightMaxBytes).toBe(4 * MIB);
  });
});

describe('createConfig', () => {
  test('has a budget without one in the configuration', () => {
    const { memoryMaxBytes, processMaxBytes } = createConfig();
    expect(memoryMaxBytes).toBeGreaterThanOrEqual(32 * MIB);
    expect(processMaxBytes).toBeGreaterThan(0);
  });

  test('refuses a budget that is too small, and transactions that have no room for one', () => {
    expect(() => createConfig({ memoryMaxBytes: MIB })).toThrow(/memoryMaxBytes is 1048576 .*from 33554432/);
    const session = { transactionMaxBytes: 64 * MIB };
    expect(() => createConfig({ session })).toThrow(/transactionsMaxBytes is 16777216 .*at least .*\(67108864\)/);
  });
});
