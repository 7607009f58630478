import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { LossyWriter } from '../../../../server/src/process/lossy-writer.js';
import type { WriteCalls } from '../../../../server/src/process/lossy-writer.js';

/** A file descriptor with scripted results. */
class ScriptedFile implements WriteCalls {
  text = '';
  /** The results of writes: an error code, or the number of bytes written. Without a result all bytes are written. */
  answers: (string | number)[] = [];
  readonly sizes: number[] = [];
  /** If true, writes never finish. */
  isStuck = false;

  write(_fd: number, bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    if (this.isStuck) return;
    process.nextTick(() => {
      try {
        done(null, this.writeSync(_fd, bytes));
      } catch (error) {
        done(error as NodeJS.ErrnoException, 0);
      }
    });
  }

  writeSync(_fd: number, bytes: Buffer): number {
    const answer = this.answers.shift() ?? bytes.length;
    if (typeof answer === 'string') throw Object.assign(new Error(answer), { code: answer });
    this.sizes.push(answer);
    this.text += bytes.subarray(0, answer).toString();
    return answer;
  }
}

const LINE_BYTES = 100;
const line = (number: number): string => `${String(number).padEnd(LINE_BYTES - 1, '.')}\n`;
const lines = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => line(from + index));

let file: ScriptedFile;
let writer: LossyWriter;
const losses: number[] = [];

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'performance'] });
  file = new ScriptedFile();
  writer = new LossyWriter(2, 100 * LINE_BYTES, file);
  losses.length = 0;
  writer.onRoom = (lost) => losses.push(lost);
});
afterEach(() => void jest.useRealTimers());

/** Runs timers and callbacks until none is left. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    await jest.advanceTimersByTimeAsync(100);
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }
}

test('writes the lines of a turn together, in order, in batches that a pipe writes atomically', async () => {
  for (const each of lines(0, 90)) writer.write(each);
  expect(file.text).toBe('');
  await settle();
  expect(file.text).toBe(lines(0, 90).join(''));
  expect(file.sizes).toEqual([4_000, 4_000, 1_000]);
});

test('writes a line that is longer than a batch', async () => {
  const long = `${'x'.repeat(6_000)}\n`;
  writer.write(line(0));
  writer.write(long);
  await settle();
  expect(file.text).toBe(line(0) + long);
});

test('continues after a partial write, in the middle of a line', async () => {
  file.answers = [150, 1];
  for (const each of lines(0, 3)) writer.write(each);
  await settle();
  expect(file.text).toBe(lines(0, 3).join(''));
});

test.each(['EAGAIN', 'ENOSPC', 'EPIPE', 'EIO'])('tries again after %s, and loses no line', async (code) => {
  file.answers = [code, code, code];
  for (const each of lines(0, 5)) writer.write(each);
  await settle();
  expect(file.text).toBe(lines(0, 5).join(''));
  expect(writer.dropped).toBe(0);
});

test('keeps lines up to the bound, drops and counts the others, and reports them when there is room', async () => {
  file.answers = ['ENOSPC'];
  for (const each of lines(0, 130)) writer.write(each);
  expect(writer.dropped).toBe(30);
  expect(losses).toEqual([]);
  await settle();
  expect(file.text).toBe(lines(0, 100).join(''));
  expect(losses).toEqual([30]);
  writer.write(line(200));
  await settle();
  expect(file.text.endsWith(line(200))).toBe(true);
  expect([writer.dropped, losses]).toEqual([30, [30]]);
});

test('flushSync writes the remaining lines, also if there is room only after a while', () => {
  file.answers = ['EAGAIN', 50];
  for (const each of lines(0, 3)) writer.write(each);
  writer.flushSync(1_000);
  expect(file.text).toBe(lines(0, 3).join(''));
});

test.each([
  ['ENOSPC', ['ENOSPC']],
  ['a pipe that stays full', Array.from({ length: 1_000 }, () => 'EAGAIN')],
])('flushSync gives up at %s', (_, answers) => {
  file.answers = answers;
  writer.write(line(0));
  const before = performance.now();
  writer.flushSync(50);
  expect(performance.now() - before).toBeLessThan(5_000);
  expect(file.text).toBe('');
});

test('flushSync does not repeat a write that another thread is doing', async () => {
  file.isStuck = true;
  writer.write(line(0));
  await settle();
  writer.write(line(1));
  writer.flushSync(50);
  expect(file.text).toBe(line(1));
});
