import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { deferred, withDeadline } from '../../../client-sdk/src/core/deadline.js';
import { RelayError } from '../../../client-sdk/src/core/index.js';

beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] }));
afterEach(() => void jest.useRealTimers());

describe('withDeadline', () => {
  test('passes the outcome of the promise on, and leaves no timer', async () => {
    await expect(withDeadline(Promise.resolve('x'), 10, 'It')).resolves.toBe('x');
    await expect(withDeadline(Promise.reject(new Error('x')), 10, 'It')).rejects.toThrow('x');
    expect(jest.getTimerCount()).toBe(0);
  });

  test('rejects with `timeout` after the deadline', async () => {
    const late = expect(withDeadline(deferred().promise, 10, 'It')).rejects.toEqual(
      new RelayError('timeout', 'It took more than 10 ms.'),
    );
    await jest.advanceTimersByTimeAsync(10);
    await late;
  });

  test('can be aborted, before and during the wait', async () => {
    const abort = new AbortController();
    const waiting = withDeadline(deferred().promise, 10, 'It', abort.signal);
    abort.abort();
    await expect(waiting).rejects.toEqual(new RelayError('aborted', 'The request was aborted.'));
    await expect(withDeadline(deferred().promise, 10, 'It', abort.signal)).rejects.toMatchObject({ code: 'aborted' });
    expect(jest.getTimerCount()).toBe(0);
  });
});
