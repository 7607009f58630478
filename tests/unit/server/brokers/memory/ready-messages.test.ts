import { describe, expect, jest, test } from '@jest/globals';
import { ReadyMessages } from '../../../../../server/src/brokers/memory/ready-messages.js';
import { stored } from './stored.js';

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

  test('requeueing tens of thousands of messages, oldest first, costs about the same for each', () => {
    const ready = new ReadyMessages(0);
    for (let i = 1; i <= 40_000; i++) ready.add(stored(i));
    const taken = Array.from({ length: 30_000 }, () => ready.take()!);
    // Only places on a heap may move
    const splice = jest.spyOn(Array.prototype, 'splice');
    try {
      for (const each of taken) ready.add(each);
      expect(splice).not.toHaveBeenCalled();
    } finally {
      splice.mockRestore();
    }
    expect(drain(ready)).toEqual(Array.from({ length: 40_000 }, (_, i) => i + 1));
  });

  test('finds expired messages at the head of a line, not behind it', () => {
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
});
