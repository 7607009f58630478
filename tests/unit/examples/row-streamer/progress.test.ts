import { expect, test } from '@jest/globals';
import { Progress } from '../../../../examples/row-streamer/progress.js';

function progressOn(out: { isTTY?: boolean; columns?: number }, total?: number) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const counts = { published: 0, confirmed: 0 };
  const stream = { ...out, write: (text: string) => void written.push(text) };
  const progress = new Progress(stream, counts, { total, now: () => clock.ms });
  return { written, clock, counts, progress };
}

test('outside of a terminal it prints plain lines', () => {
  const { written, clock, counts, progress } = progressOn({}, 10_000);
  progress.show();
  Object.assign(counts, { published: 2_100, confirmed: 2_000 });
  clock.ms = 2_000;
  progress.show();
  expect(written).toEqual([
    '0 of 10,000 rows (0 %)   0.0 rows/s   0 in flight\n',
    '2,000 of 10,000 rows (20 %)   1,000 rows/s   100 in flight   0:08 left\n',
  ]);
});

test('without a total it shows neither percent nor time', () => {
  const { written, clock, counts, progress } = progressOn({});
  Object.assign(counts, { published: 5, confirmed: 5 });
  clock.ms = 1_000;
  progress.note = 'relay: waiting';
  progress.show();
  expect(written).toEqual(['5 rows   5.0 rows/s   0 in flight   relay: waiting\n']);
});

test('the speed is the average of the last seconds', () => {
  const { written, clock, counts, progress } = progressOn({});
  for (let second = 1; second <= 60; second++) {
    clock.ms = second * 1_000;
    counts.published = counts.confirmed += second <= 30 ? 1_000 : 20;
    progress.show();
  }
  expect(written.at(-1)).toBe('30,600 rows   20 rows/s   0 in flight\n');
});

test('on a terminal it redraws one line, cut to the width, and erases it at the end', () => {
  const { written, progress } = progressOn({ isTTY: true, columns: 20 }, 10);
  progress.show();
  progress.print('relay: lost');
  progress.stop();
  expect(written).toEqual(['\r\x1b[2K0 of 10 rows (0 %) ', '\r\x1b[2Krelay: lost\n', '\r\x1b[2K']);
});

test('the summary includes unconfirmed rows', () => {
  const { clock, counts, progress } = progressOn({}, 4_000_000);
  Object.assign(counts, { published: 3_661_003, confirmed: 3_661_000 });
  clock.ms = 3_661_000;
  expect(progress.summary()).toBe(
    'published 3,661,000 of 4,000,000 rows in 1:01:01 (1,000 rows/s); 3 more sent, not confirmed',
  );
});
