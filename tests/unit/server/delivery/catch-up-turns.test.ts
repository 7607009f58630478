/** Turns and room of the members that catch up. */
import { beforeEach, expect, test } from '@jest/globals';
import { CatchUpTurns } from '../../../../server/src/delivery/catch-up-turns.js';
import { tick } from '../session/harness.js';

let nowMs: number;
let turns: CatchUpTurns;
let served: string[];
beforeEach(() => {
  nowMs = 0;
  served = [];
  turns = new CatchUpTurns({ catchUpChunkBytes: 100, catchUpsMaxBytes: 250 }, () => nowMs);
});

/** Work whose chunk takes `ms`. */
const work = (account: string, name: string, ms = 0) => ({
  account,
  proceed(): void {
    served.push(name);
    nowMs += ms;
  },
});

/** Work that was sent a chunk. */
const held = work('held', 'held');

test('accounts take turns, and a turn ends after ten milliseconds', async () => {
  for (const name of ['a1', 'a2', 'a3']) turns.enter(work('a', name, 6));
  turns.enter(work('b', 'b1', 6));
  await tick();
  expect(served).toEqual(['a1', 'b1']);
  await tick();
  expect(served).toEqual(['a1', 'b1', 'a2', 'a3']);
});

test('without room work waits, until as much is released as it needs', async () => {
  turns.reserve(held, 200);
  turns.enter(work('a', 'a1'));
  turns.enter(work('b', 'b1'));
  await tick();
  expect(served).toEqual([]);
  turns.release(held, 100);
  await tick();
  expect([served, turns.heldBytes]).toEqual([['a1'], 100]);
  turns.release(held, 100);
  await tick();
  expect(served).toEqual(['a1', 'b1']);
});

test('one chunk always has room', async () => {
  turns = new CatchUpTurns({ catchUpChunkBytes: 100, catchUpsMaxBytes: 1 });
  turns.enter(work('a', 'a1'));
  await tick();
  expect(served).toEqual(['a1']);
  turns.reserve(held, 500);
  turns.enter(work('a', 'a2'));
  await tick();
  expect(served).toEqual(['a1']);
  turns.release(held, 500);
  await tick();
  expect(served).toEqual(['a1', 'a2']);
});

test('work that has left is not served, wherever it waited', async () => {
  const [waiting, withoutRoom] = [work('a', 'a1'), work('a', 'a2')];
  turns.reserve(held, 200);
  turns.enter(withoutRoom);
  await tick();
  turns.enter(waiting);
  turns.leave(waiting);
  turns.leave(withoutRoom);
  turns.release(held, 200);
  await tick();
  expect(served).toEqual([]);
});

test('while more than half is held, an account has at most a quarter', async () => {
  turns = new CatchUpTurns({ catchUpChunkBytes: 100, catchUpsMaxBytes: 1_000 });
  const flood = work('flood', 'flood');
  turns.reserve(flood, 500);
  turns.enter(flood);
  turns.enter(work('b', 'b1'));
  await tick();
  expect(served).toEqual(['b1']);
  turns.release(flood, 100);
  await tick();
  expect(served).toEqual(['b1', 'flood']);
});

test('an account without a share, and one that holds nothing, have room up to the limit', async () => {
  turns = new CatchUpTurns({ catchUpChunkBytes: 100, catchUpsMaxBytes: 1_000 });
  turns.reserve({ proceed: () => undefined }, 900);
  turns.enter({ proceed: () => void served.push('none') });
  turns.enter(work('b', 'b1'));
  await tick();
  expect(served).toEqual(['none', 'b1']);
});

test('room that admitted work does not need is for the next', async () => {
  turns.reserve(held, 200);
  const leaving = work('a', 'a1');
  turns.enter(leaving);
  for (const name of ['a2', 'a3', 'a4']) turns.enter(work('a', name));
  await tick();
  turns.release(held, 100);
  turns.leave(leaving);
  for (let i = 0; i < 4; i++) await tick();
  expect(served).toEqual(['a2', 'a3', 'a4']);
});
