import { describe, expect, jest, test } from '@jest/globals';
import { ReadyMessages } from '../../../../../server/src/brokers/memory/ready-messages.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';

const stored = (position: number, rest: Partial<StoredMessage> = {}): StoredMessage => ({
  message: { headers: new Map(), body: Buffer.from('four'), exchange: '', routingKey: 'q', resent: false },
  bytes: 100,
  priority: 0,
  expiresAt: Infinity,
  position,
  deaths: [],
  redelivered: false,
  returns: 0,
  ...rest,
});

const drain = (ready: ReadyMessages): number[] => {
  const positions: number[] = [];
  for (let next = ready.take(); next; next = ready.take()) positions.push(next.position);
  return positions;
};

describe('ReadyMessages', () => {
  test('counts messages and the bytes of their bodies', () => {
    const ready = new ReadyMessages(0);
    for (let i = 1; i <= 3; i++) ready.add(stored(i));
    ready.take();
    expect([ready.length, ready.bytes]).toEqual([2, 8]);
    drain(ready);
    expect([ready.length, ready.bytes]).toEqual([0, 0]);
  });

  test('what comes back goes where it was, in whatever order it comes', () => {
    const ready = new ReadyMessages(0);
    for (let i = 1; i <= 6; i++) ready.add(stored(i));
    const taken = Array.from({ length: 4 }, () => ready.take()!);
    for (const index of [2, 0, 3, 1]) ready.add(taken[index]!);
    ready.add(stored(7));
    expect(drain(ready)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('tens of thousands that come back, oldest first, cost about the same each', () => {
    const ready = new ReadyMessages(0);
    for (let i = 1; i <= 40_000; i++) ready.add(stored(i));
    const taken = Array.from({ length: 30_000 }, () => ready.take()!);
    // Nothing but the places on a heap is moved
    const splice = jest.spyOn(Array.prototype, 'splice');
    try {
      for (const each of taken) ready.add(each);
      expect(splice).not.toHaveBeenCalled();
    } finally {
      splice.mockRestore();
    }
    expect(drain(ready)).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
  });

  test('what comes back in any order, between new ones, is taken in order', () => {
    const ready = new ReadyMessages(0);
    for (let i = 0; i < 500; i++) ready.add(stored(i));
    const taken = Array.from({ length: 300 }, () => ready.take()!);
    for (let i = 0; i < 300; i++) {
      ready.add(taken[(i * 7) % 300]!);
      if (i % 3 === 0) ready.add(stored(1_000 + i));
    }
    const order = drain(ready);
    expect(order).toHaveLength(600);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });

  test('the highest priority comes first; above the maximum is the maximum', () => {
    const ready = new ReadyMessages(3);
    for (const [position, priority] of [0, 3, 1, 9, 3].entries()) ready.add(stored(position, { priority }));
    expect(drain(ready)).toEqual([1, 3, 4, 2, 0]);
  });

  test('finds what has expired at the head of a line, not behind it', () => {
    const ready = new ReadyMessages(1);
    ready.add(stored(1, { expiresAt: 50 }));
    ready.add(stored(2));
    ready.add(stored(3, { expiresAt: 10 }));
    ready.add(stored(4, { expiresAt: 20, priority: 1 }));
    expect(ready.nextExpiry).toBe(20);
    expect(ready.takeExpired(19)).toBeUndefined();
    expect(ready.takeExpired(20)?.position).toBe(4);
    expect(ready.nextExpiry).toBe(50);
    expect(ready.takeExpired(60)?.position).toBe(1);
    expect(ready.takeExpired(60)).toBeUndefined();
    expect(ready.nextExpiry).toBe(Infinity);
  });

  test('stays in order over many messages that come and go', () => {
    const ready = new ReadyMessages(0);
    const out: number[] = [];
    let position = 0;
    for (let round = 0; round < 5_000; round++) {
      ready.add(stored(++position));
      ready.add(stored(++position));
      const taken = ready.take()!;
      if (round % 7 === 0) ready.add(taken);
      else out.push(taken.position);
    }
    out.push(...drain(ready));
    expect(out).toEqual(Array.from({ length: position }, (_, i) => i + 1));
  });
});
