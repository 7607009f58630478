import { beforeEach, describe, expect, test } from '@jest/globals';
import { FrameTurns } from '../../../../server/src/session/frame-turns.js';
import { tick } from './harness.js';

let now: number;
let load: { isOverloaded: boolean };
let turns: FrameTurns;
let done: string[];
let overruns: number;

beforeEach(() => {
  now = 0;
  load = { isOverloaded: false };
  overruns = 0;
  turns = new FrameTurns(
    load,
    () => overruns++,
    () => now,
  );
  done = [];
});

/** A session with that many frames of 6 ms each. */
function session(name: string, frames: number): () => void {
  const handle = (): void => {
    for (; frames > 0; frames--) {
      if (turns.isOver) return turns.later(handle);
      now += 6;
      done.push(name);
    }
  };
  return handle;
}

describe('FrameTurns', () => {
  test('ends a turn when its time is used up, and begins another', async () => {
    expect(turns.isOver).toBe(false);
    now = 9;
    expect(turns.isOver).toBe(false);
    now = 10;
    expect(turns.isOver).toBe(true);
    await tick();
    expect(turns.isOver).toBe(false);
  });

  test('tells once of a turn that goes on far beyond its time', async () => {
    const looksAt = (ms: number): void => {
      now = ms;
      void turns.isOver;
    };
    [0, 10, 39].forEach(looksAt);
    expect(overruns).toBe(0);
    [40, 50, 90].forEach(looksAt);
    expect(overruns).toBe(1);
    await tick();
    [100, 139].forEach(looksAt);
    expect(overruns).toBe(1);
    looksAt(140);
    expect(overruns).toBe(2);
  });

  test('are short while there is overload, and each begins a new one', async () => {
    load.isOverloaded = true;
    expect(turns.isOver).toBe(false);
    const first = turns.number;
    now = 1;
    expect(turns.isOver).toBe(true);
    await tick();
    expect(turns.isOver).toBe(false);
    expect(turns.number).toBe(first + 1);
  });

  test('lets all who wait go on in turns', async () => {
    for (const name of ['a', 'b', 'c']) turns.later(session(name, 4));
    await tick();
    expect(done.join('')).toBe('aa');
    while (done.length < 12) await tick();
    expect(done.join('')).toBe('aabbccaabbcc');
  });
});
