import { describe, expect, test } from '@jest/globals';
import { ConsumerRing } from '../../../../../server/src/brokers/memory/consumer-ring.js';
import { MemoryConsumer } from '../../../../../server/src/brokers/memory/memory-consumer.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';
import { RequeueTurns } from '../../../../../server/src/brokers/requeue-turns.js';

const REQUEUES = { turns: new RequeueTurns(), account: 'ann' };

const queue = { settle: () => {}, removeConsumer: () => {} };
const consumer = (prefetch = 10, priority = 0, exclusive = false): MemoryConsumer =>
  new MemoryConsumer(queue, { prefetch, priority, exclusive }, { deliver: () => {} }, REQUEUES);
const stored = {} as StoredMessage;

function turns(ring: ConsumerRing, names: Map<MemoryConsumer, string>, count: number): string {
  let order = '';
  for (let i = 0; i < count; i++) {
    const next = ring.next();
    order += next ? names.get(next) : '-';
    next?.take(stored);
  }
  return order;
}

describe('ConsumerRing', () => {
  test('goes round robin, and skips full consumers', () => {
    const ring = new ConsumerRing(false);
    const names = new Map([
      [consumer(1), 'a'],
      [consumer(), 'b'],
      [consumer(3), 'c'],
    ]);
    for (const each of names.keys()) ring.add(each);
    expect(turns(ring, names, 8)).toBe('abcbcbcb');
  });

  test('prefers priority, and goes round robin among equals', () => {
    const ring = new ConsumerRing(false);
    const names = new Map([
      [consumer(), 'l'],
      [consumer(2, 5), 'h'],
      [consumer(1, 5), 'i'],
      [consumer(1, -1), 'n'],
    ]);
    for (const each of names.keys()) ring.add(each);
    expect(turns(ring, names, 5)).toBe('hihll');
  });

  test('a single active consumer gets everything until it leaves', () => {
    const ring = new ConsumerRing(true);
    const [a, b] = [consumer(2), consumer(2, 9)];
    const names = new Map([
      [a, 'a'],
      [b, 'b'],
    ]);
    ring.add(a);
    ring.add(b);
    expect(turns(ring, names, 3)).toBe('aa-');
    ring.delete(a);
    expect(turns(ring, names, 3)).toBe('bb-');
    ring.delete(b);
    expect(ring.next()).toBeUndefined();
  });

  test('reports whether a consumer is exclusive', () => {
    const ring = new ConsumerRing(false);
    const holder = consumer(1, 0, true);
    ring.add(holder);
    expect(ring.hasExclusive).toBe(true);
    ring.delete(holder);
    expect([ring.hasExclusive, ring.size]).toEqual([false, 0]);
  });
});
