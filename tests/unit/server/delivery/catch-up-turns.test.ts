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

test('accounts take turns, and a turn ends after ten milliseconds', async () => {
  for (const name of ['a1', 'a2', 'a3']) turns.enter(work('a', name, 6));
  turns.enter(work('b', 'b1', 6));
  await tick();
  expect(served).toEqual(['a1', 'b1']);
  await tick();
  expect(served).toEqual(['a1', 'b1', 'a2', 'a3']);
});

test('without room work waits, until as much is released as it needs', async () => {
  turns.reserve(200);
  turns.enter(work('a', 'a1'));
  turns.enter(work('b', 'b1'));
  await tick();
  expect(served).toEqual([]);
  turns.release(100);
  await tick();
  expect([served, turns.heldBytes]).toEqual([['a1'], 100]);
  turns.release(100);
  await tick();
  expect(served).toEqual(['a1', 'b1']);
});

test('one chunk always has room', async () => {
  turns = new CatchUpTurns({ catchUpChunkBytes: 100, catchUpsMaxBytes: 1 });
  turns.enter(work('a', 'a1'));
  await tick();
  expect(served).toEqual(['a1']);
  turns.reserve(500);
  turns.enter(work('a', 'a2'));
  await tick();
  expect(served).toEqual(['a1']);
  turns.release(500);
  await tick();
  expect(served).toEqual(['a1', 'a2']);
});

test('work that has left is not served, wherever it waited', async () => {
  const [waiting, withoutRoom] = [work('a', 'a1'), work('a', 'a2')];
  turns.reserve(200);
  turns.enter(withoutRoom);
  await tick();
  turns.enter(waiting);
  turns.leave(waiting);
  turns.leave(withoutRoom);
  turns.release(200);
  await tick();
  expect(served).toEqual([]);
});
