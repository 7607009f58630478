import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { MEMORY_CHECK_MS, MemoryBudget } from '../../../../server/src/load/memory-budget.js';
import type { MemoryHolder } from '../../../../server/src/load/memory-budget.js';

const MIB = 1024 * 1024;
const MAX = 100 * MIB;

class Holder implements MemoryHolder {
  isHeldBack = false;
  ended: string | undefined;
  constructor(
    public heldBytes: number,
    public sharedBytes = 0,
  ) {}

  holdBack(mustWait: boolean): void {
    this.isHeldBack = mustWait;
  }

  exhaust(sentence: string): void {
    this.ended = sentence;
    this.heldBytes = 0;
    this.sharedBytes = 0;
  }
}

let holders: Holder[];
let commonBytes: number;
let memory: { residentBytes: number; heapBytes: number; heapMaxBytes: number };
let budget: MemoryBudget;
beforeEach(() => {
  jest.useFakeTimers();
  holders = [];
  commonBytes = 0;
  memory = { residentBytes: 2 * MAX, heapBytes: 0, heapMaxBytes: 1_000 * MIB };
  const bounds = { memoryMaxBytes: MAX, processMaxBytes: 4 * MAX };
  budget = new MemoryBudget(
    bounds,
    () => memory,
    () => jest.now(),
  );
  budget.start({ holders: () => holders, commonBytes: () => commonBytes });
});
afterEach(() => {
  budget.stop();
  jest.useRealTimers();
});

const hold = (...mib: number[]): Holder[] => (holders = mib.map((each) => new Holder(each * MIB)));
const check = (): void => void jest.advanceTimersByTime(MEMORY_CHECK_MS);
const afterGrace = (): void => void jest.advanceTimersByTime(600);
const ended = (): number[] => holders.flatMap(({ ended: end }, index) => (end === undefined ? [] : index));
const paused = (): number[] => holders.flatMap(({ isHeldBack }, index) => (isHeldBack ? index : []));

describe('within the bound', () => {
  test('nothing happens, however unequal the clients are', () => {
    hold(99, 0, 0);
    afterGrace();
    expect([paused(), ended(), budget.isFull]).toEqual([[], [], false]);
    expect(budget.usedBytes()).toBe(99 * MIB);
  });

  test('nothing happens while the process is small, whatever the sum is', () => {
    memory.residentBytes = MAX;
    hold(500);
    afterGrace();
    expect([paused(), ended()]).toEqual([[], []]);
  });
});

describe('above the bound', () => {
  test('the relay first reads no more from the large clients, and the small ones notice nothing', () => {
    hold(60, 50, 0.1, 0);
    check();
    expect([paused(), ended(), budget.paused, budget.pauses]).toEqual([[0, 1], [], 2, 2]);
  });

  test('reading resumes when there is room again, an eighth below the bound', () => {
    const [large] = hold(105);
    check();
    large!.heldBytes = 95 * MIB;
    check();
    expect(paused()).toEqual([0]);
    large!.heldBytes = 80 * MIB;
    afterGrace();
    expect([paused(), ended(), budget.paused]).toEqual([[], [], 0]);
  });

  test('after a while the largest clients end, as many as need be', () => {
    hold(20, 50, 30, 5);
    afterGrace();
    expect(ended()).toEqual([1]);
    expect(holders[1]!.ended).toMatch(/memoryMaxBytes, 104857600\), and this client held 52428800 bytes/);
    expect([budget.endings, budget.isFull]).toEqual([1, false]);
  });

  test('far above it the largest end at once', () => {
    hold(80, 5, 80);
    check();
    expect(ended()).toEqual([0]);
  });

  test('bytes that a group shares count once, so that many slow members do not end each other', () => {
    holders = Array.from({ length: 100 }, () => new Holder(8 * MIB, 7.9 * MIB));
    afterGrace();
    expect([paused(), ended()]).toEqual([[], []]);
  });

  test('what belongs to no client counts', () => {
    hold(30);
    commonBytes = 75 * MIB;
    afterGrace();
    expect(ended()).toEqual([0]);
  });

  test('no small client ends; new ones have to wait until there is room', () => {
    hold(0.01, 0.02);
    commonBytes = 120 * MIB;
    afterGrace();
    expect([paused(), ended(), budget.isFull]).toEqual([[], [], true]);
    commonBytes = 0;
    check();
    expect(budget.isFull).toBe(false);
  });

  test('a flood within one turn of the event loop is noticed', () => {
    hold(300);
    budget.grow(MIB);
    expect(ended()).toEqual([]);
    budget.grow(MIB);
    expect(ended()).toEqual([0]);
  });

  test('a client that left is forgotten', () => {
    hold(105);
    check();
    budget.forget(holders[0]!);
    expect(budget.paused).toBe(0);
  });

  test('a stop lets all clients go', () => {
    hold(105);
    check();
    budget.stop();
    expect(paused()).toEqual([]);
  });
});

describe('a process in danger', () => {
  test('clients end one after the other, shared bytes included, until it is smaller', () => {
    holders = [new Holder(2 * MIB), new Holder(30 * MIB, 29 * MIB), new Holder(0)];
    memory.residentBytes = 4 * MAX + 1;
    check();
    expect(ended()).toEqual([1]);
    check();
    expect(ended()).toEqual([1]);
    jest.advanceTimersByTime(300);
    expect(ended()).toEqual([0, 1]);
    afterGrace();
    expect(ended()).toEqual([0, 1]);
  });

  test('a short heap lowers the bound to half of its limit', () => {
    memory = { residentBytes: 50 * MIB, heapBytes: 76 * MIB, heapMaxBytes: 100 * MIB };
    hold(40, 30);
    afterGrace();
    expect(ended()).toEqual([0]);
    memory.heapBytes = 75 * MIB;
    hold(60);
    afterGrace();
    expect(ended()).toEqual([]);
  });
});
