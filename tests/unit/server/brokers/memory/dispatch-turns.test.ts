import { expect, test } from '@jest/globals';
import { DispatchTurns } from '../../../../../server/src/brokers/memory/dispatch-turns.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('queues share the time of a turn, and take it one after the other', async () => {
  let nowMs = 0;
  const turns = new DispatchTurns(() => nowMs);
  const served: string[] = [];
  let isOver = false;
  const queueOf = (name: string, costMs: number) => ({
    dispatch(): void {
      served.push(name);
      nowMs += costMs;
      if (!isOver) turns.enter(this);
    },
  });
  for (const queue of [queueOf('slow', 10), queueOf('a', 0.5), queueOf('b', 0.5)]) turns.enter(queue);
  await turn();
  expect(served).toEqual(['slow']);
  await turn();
  expect(served).toEqual(['slow', 'a', 'b', 'slow']);
  await turn();
  expect(served.slice(4)).toEqual(['a', 'b', 'slow']);
  isOver = true;
  await turn();
});

test('a queue that leaves has no turn', async () => {
  const turns = new DispatchTurns();
  const served: string[] = [];
  const [gone, other] = ['gone', 'other'].map((name) => ({ dispatch: () => void served.push(name) }));
  turns.enter(gone!);
  turns.enter(other!);
  turns.leave(gone!);
  await turn();
  expect(served).toEqual(['other']);
});
