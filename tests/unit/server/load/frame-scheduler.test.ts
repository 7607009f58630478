import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FrameScheduler } from '../../../../server/src/load/frame-scheduler.js';
import { tick } from '../session/harness.js';

let now: number;
let load: { isOverloaded: boolean };
let turns: FrameScheduler;
let done: string[];
let overruns: number;

beforeEach(() => {
  now = 0;
  load = { isOverloaded: false };
  overruns = 0;
  turns = new FrameScheduler(
    load,
    () => overruns++,
    () => now,
  );
  done = [];
});

/** A session with `frames` frames of 1.2 ms each. */
function session(name: string, frames: number, account = name): () => void {
  const handle = (): void => {
    for (; frames > 0; frames--) {
      if (turns.isTurnOver) return turns.enqueue(handle, account);
      now += 1.2;
      done.push(name);
    }
  };
  return handle;
}

describe('FrameScheduler', () => {
  test('ends a turn when its time is used up, and begins another', async () => {
    expect(turns.isTurnOver).toBe(false);
    now = 1.9;
    expect(turns.isTurnOver).toBe(false);
    now = 2;
    expect(turns.isTurnOver).toBe(true);
    await tick();
    expect(turns.isTurnOver).toBe(false);
  });

  test('reports once that a turn lasts far too long', async () => {
    const checkAt = (ms: number): void => {
      now = ms;
      void turns.isTurnOver;
    };
    [0, 2, 31].forEach(checkAt);
    expect(overruns).toBe(0);
    [32, 50, 90].forEach(checkAt);
    expect(overruns).toBe(1);
    await tick();
    [100, 131].forEach(checkAt);
    expect(overruns).toBe(1);
    checkAt(132);
    expect(overruns).toBe(2);
  });

  test('has short turns during overload', async () => {
    load.isOverloaded = true;
    expect(turns.isTurnOver).toBe(false);
    const first = turns.turnNumber;
    now = 1;
    expect(turns.isTurnOver).toBe(true);
    await tick();
    expect(turns.isTurnOver).toBe(false);
    expect(turns.turnNumber).toBe(first + 1);
  });

  test('serves queued sessions in turns', async () => {
    for (const name of ['a', 'b', 'c']) turns.enqueue(session(name, 4), name);
    await tick();
    expect(done.join('')).toBe('aa');
    while (done.length < 12) await tick();
    expect(done.join('')).toBe('aabbccaabbcc');
  });

  test('serves an account with many queued sessions as often as one with a single session', async () => {
    for (let i = 0; i < 20; i++) turns.enqueue(session('a', 2, 'flood'), 'flood');
    turns.enqueue(session('b', 8, 'other'), 'other');
    while (done.length < 16) await tick();
    expect(done.join('')).toBe('aabbaabbaabbaabb');
  });

  test('calls a postponed session once in a turn', async () => {
    let calls = 0;
    let isWaiting = true;
    const wait = (): void => {
      calls++;
      if (isWaiting) turns.postpone(wait, 'a');
    };
    turns.postpone(wait, 'a');
    expect(calls).toBe(0);
    await tick();
    await tick();
    expect(calls).toBe(2);
    isWaiting = false;
    await tick();
    expect(turns.hasQueue).toBe(false);
  });

  test('serves the queue until the time of the turn is used up', async () => {
    let frames = 0;
    const cheap = (): void => {
      now += 0.1;
      if (++frames < 100) turns.enqueue(cheap, 'a');
    };
    turns.enqueue(cheap, 'a');
    await tick();
    expect(frames).toBeGreaterThan(15);
    while (turns.hasQueue) await tick();
  });

  describe('in a flood', () => {
    let isOver: boolean;

    /** Sessions of one account with frames of 0.1 ms without end. */
    function flood(account: string): void {
      const handle = (): void => {
        while (!turns.isTurnOver && !isOver) now += 0.1;
        if (!isOver) turns.enqueue(handle, account);
      };
      turns.enqueue(handle, account);
    }

    async function turnMs(): Promise<number> {
      const before = now;
      await tick();
      return now - before;
    }

    const flooded = async (...accounts: string[]): Promise<void> => {
      isOver = false;
      accounts.forEach(flood);
      for (let turn = 0; turn < 20; turn++) await tick();
    };
    afterEach(async () => {
      isOver = true;
      while (turns.hasQueue) await tick();
    });

    test('turns are short while another account has frames, and for a second afterwards', async () => {
      await flooded('flood');
      expect(turns.isFlooded).toBe(true);
      expect(await turnMs()).toBeGreaterThanOrEqual(2);
      turns.frameOf('other');
      await tick();
      expect(await turnMs()).toBeLessThan(0.4);
      now += 1_000;
      await tick();
      expect(await turnMs()).toBeGreaterThanOrEqual(2);
    });

    test('turns stay long for frames of the flooding account, also of its other sessions', async () => {
      await flooded('flood');
      turns.frameOf('flood');
      await tick();
      expect(await turnMs()).toBeGreaterThanOrEqual(2);
    });

    test('turns stay long if the frames of many accounts wait', async () => {
      await flooded('a', 'b', 'c', 'd', 'e');
      expect(turns.isFlooded).toBe(false);
      turns.frameOf('other');
      await tick();
      expect(await turnMs()).toBeGreaterThanOrEqual(2);
    });

    test('a flood ends with as many turns that leave no frames', async () => {
      await flooded('flood');
      isOver = true;
      while (turns.hasQueue) await tick();
      expect(turns.isFlooded).toBe(true);
      for (let turn = 0; turn < 20; turn++) {
        void turns.isTurnOver;
        await tick();
      }
      expect(turns.isFlooded).toBe(false);
    });
  });
});
