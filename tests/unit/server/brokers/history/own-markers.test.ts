import { expect, test } from '@jest/globals';
import { OwnMarkers } from '../../../../../server/src/brokers/history/own-markers.js';
import { ManualClock } from './manual-clock.js';

function stage() {
  const clock = new ManualClock();
  const log = { marked: [] as string[], reopened: 0, isAway: false };
  const own = new OwnMarkers(
    {
      mark: (id) => (log.isAway ? Promise.reject(new Error('away')) : Promise.resolve(void log.marked.push(id))),
      reopen: () => log.reopened++,
    },
    clock,
  );
  const returned: (number | undefined)[] = [];
  const write = () => own.write((offset) => returned.push(offset));
  return { clock, log, own, returned, write };
}

test('a marker that comes back reports its offset once', async () => {
  const { clock, log, own, returned, write } = stage();
  write();
  own.arrived('another', 1);
  own.arrived(log.marked[0]!, 2);
  own.arrived(log.marked[0]!, 3);
  await clock.pass(60_000);
  expect(returned).toEqual([2]);
  expect(log.reopened).toBe(0);
  expect(log.marked[0]).toMatch(/^[\da-z]{20}$/);
});

test('one that does not come back within 10 s opens the log again, once in 10 s', async () => {
  const { clock, log, returned, write } = stage();
  write();
  await clock.pass(5_000);
  write();
  await clock.pass(4_999);
  expect(log.reopened).toBe(0);
  await clock.pass(1);
  expect([log.reopened, returned]).toEqual([1, [undefined]]);
  await clock.pass(5_000);
  expect([log.reopened, returned]).toEqual([1, [undefined, undefined]]);
  write();
  await clock.pass(10_000);
  expect(log.reopened).toBe(2);
});

test('a log that refuses it is away, and is not opened again', async () => {
  const { clock, log, returned, write } = stage();
  log.isAway = true;
  write();
  await clock.pass(60_000);
  expect([log.reopened, returned, clock.waiting]).toEqual([0, [undefined], 0]);
});

test('after a reset nothing is awaited', async () => {
  const { clock, log, own, returned, write } = stage();
  write();
  own.forget();
  own.arrived(log.marked[0]!, 1);
  await clock.pass(60_000);
  expect([returned, log.reopened]).toEqual([[undefined], 0]);
});
