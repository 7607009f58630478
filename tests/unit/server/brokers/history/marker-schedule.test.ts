import { expect, test } from '@jest/globals';
import { MarkerSchedule } from '../../../../../server/src/brokers/history/marker-schedule.js';
import { ManualClock } from './manual-clock.js';

function stage(ownMs?: number) {
  const clock = new ManualClock();
  const written: number[] = [];
  const settings = { markerMaxCount: 3, markerMaxBytes: 1_000, markerMs: 10_000 };
  const schedule = new MarkerSchedule(settings, clock, () => written.push(clock.now()), ownMs);
  schedule.start();
  return { clock, written, schedule };
}

test('by count, after a random part of a second', async () => {
  const { clock, written, schedule } = stage();
  for (let i = 0; i < 3; i++) schedule.messagePassed(1);
  await clock.pass(499);
  expect(written).toEqual([]);
  await clock.pass(1);
  expect(written).toEqual([500]);
  for (let i = 0; i < 2; i++) schedule.messagePassed(1);
  await clock.pass(5_000);
  expect(written).toEqual([500]);
});

test('by bytes', async () => {
  const { clock, written, schedule } = stage();
  schedule.messagePassed(1_000);
  await clock.pass(1_000);
  expect(written).toEqual([500]);
});

test('by time, if messages came', async () => {
  const { clock, written, schedule } = stage();
  await clock.pass(20_000);
  expect(written).toEqual([]);
  schedule.messagePassed(1);
  await clock.pass(60_000);
  expect(written).toEqual([30_500]);
});

test('not if another relay wrote one meanwhile', async () => {
  const { clock, written, schedule } = stage();
  for (let i = 0; i < 3; i++) schedule.messagePassed(1);
  await clock.pass(300);
  schedule.markerPassed();
  await clock.pass(60_000);
  expect(written).toEqual([]);
});

test('its own at intervals, whatever the others write, until it stops', async () => {
  const { clock, written, schedule } = stage(30_000);
  await clock.pass(29_000);
  schedule.markerPassed();
  await clock.pass(32_000);
  expect(written).toEqual([30_000, 60_000]);
  schedule.messagePassed(1);
  schedule.stop();
  expect(clock.waiting).toBe(0);
  schedule.messagePassed(5_000);
  expect(clock.waiting).toBe(0);
});
