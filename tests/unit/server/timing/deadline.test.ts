import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { finishesWithin, withDeadline } from '../../../../server/src/timing/deadline.js';

const late = (): Error => new Error('too slow');

describe('withDeadline', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('settles like the promise, and leaves no timer', async () => {
    await expect(withDeadline(Promise.resolve(1), 100, late)).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(new Error('no')), 100, late)).rejects.toThrow('no');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('rejects in time, and a later outcome has no effect', async () => {
    let refuse: (error: Error) => void = () => {};
    const promise = withDeadline(new Promise((_, reject) => (refuse = reject)), 100, late);
    const outcome = expect(promise).rejects.toThrow('too slow');
    await jest.advanceTimersByTimeAsync(100);
    await outcome;
    refuse(new Error('too late'));
    await jest.runAllTimersAsync();
  });
});

test('finishesWithin returns the outcome, and rejects if the work rejects', async () => {
  expect(await finishesWithin(Promise.resolve(1), 1_000)).toBe(true);
  expect(await finishesWithin(new Promise(() => undefined), 1)).toBe(false);
  await expect(finishesWithin(Promise.reject(new Error('no')), 1_000)).rejects.toThrow('no');
});
