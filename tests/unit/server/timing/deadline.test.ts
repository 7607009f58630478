import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { withDeadline } from '../../../../server/src/timing/deadline.js';

describe('withDeadline', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('settles as the promise does, and leaves no timer', async () => {
    await expect(withDeadline(Promise.resolve(1), 100)).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(new Error('no')), 100)).rejects.toThrow('no');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('rejects in time, and what comes later has no consequence', async () => {
    let refuse: (error: Error) => void = () => {};
    const promise = withDeadline(new Promise((_, reject) => (refuse = reject)), 100);
    const outcome = expect(promise).rejects.toThrow('no answer within connectTimeoutMs (100 ms)');
    await jest.advanceTimersByTimeAsync(100);
    await outcome;
    refuse(new Error('too late'));
    await jest.runAllTimersAsync();
  });
});
