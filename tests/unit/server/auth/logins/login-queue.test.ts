import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LoginQueue } from '../../../../../server/src/auth/logins/login-queue.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** Checks that the test settles, and the names of those that have started. */
function createChecks() {
  const begun: string[] = [];
  const ends = new Map<string, { resolve(value: string): void; reject(error: Error): void }>();
  const signals = new Map<string, AbortSignal>();
  const work = (name: string) => (signal: AbortSignal) => {
    begun.push(name);
    signals.set(name, signal);
    return new Promise<string>((resolve, reject) => ends.set(name, { resolve, reject }));
  };
  return { begun, ends, signals, work };
}

const turn = () => jest.advanceTimersByTimeAsync(0);

describe('a queue of logins', () => {
  test('runs checksMax at a time, and starts the others in order', async () => {
    const queue = new LoginQueue({ checksMax: 2, waitingMax: 10, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = createChecks();
    const answers = ['a', 'b', 'c', 'd'].map((name) => queue.run(work(name)));
    expect(begun).toEqual(['a', 'b']);
    ends.get('b')?.resolve('of b');
    await expect(answers[1]).resolves.toBe('of b');
    expect(begun).toEqual(['a', 'b', 'c']);
    ends.get('a')?.reject(new Error('of a'));
    await expect(answers[0]).rejects.toThrow('of a');
    expect(begun).toEqual(['a', 'b', 'c', 'd']);
    for (const name of ['c', 'd']) ends.get(name)?.resolve(name);
    await expect(Promise.all(answers.slice(2))).resolves.toEqual(['c', 'd']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('refuses a check at once when it is full', async () => {
    const queue = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = createChecks();
    const first = queue.run(work('first'));
    const second = queue.run(work('second'));
    await expect(queue.run(work('third'))).rejects.toThrow(/1 logins already wait for their check \(waitingMax\)/);
    ends.get('first')?.resolve('');
    await first;
    const fourth = queue.run(work('fourth'));
    ends.get('second')?.resolve('');
    await second;
    ends.get('fourth')?.resolve('');
    await fourth;
    expect(begun).toEqual(['first', 'second', 'fourth']);
  });

  test('lets sources take turns, and drops a check of the largest source when it is full', async () => {
    const queue = new LoginQueue({ checksMax: 1, waitingMax: 3, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = createChecks();
    const outcome = (name: string, from: string) =>
      queue.run(work(name), from).then(
        () => `${name} done`,
        ({ message }: Error) => `${name} ${/\w+Max\b/.exec(message)?.[0]}`,
      );
    const flood = ['f0', 'f1', 'f2', 'f3', 'f4'].map((name) => outcome(name, 'flooding source'));
    const others = [outcome('a', 'source 1'), outcome('b', 'source 2'), outcome('c', 'source 3')];
    for (let next = 0; next < begun.length; next++) {
      ends.get(begun[next] ?? '')?.resolve('');
      await turn();
    }
    expect(await Promise.all([...flood, ...others])).toEqual([
      'f0 done',
      'f1 waitingMax',
      'f2 waitingMax',
      'f3 done',
      'f4 waitingMax',
      'a done',
      'b done',
      'c waitingMax',
    ]);
    expect(begun).toEqual(['f0', 'f3', 'a', 'b']);
  });

  test('never starts a check whose deadline passed while it waited, and frees its place', async () => {
    const queue = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = createChecks();
    void queue.run(work('first')).catch(() => undefined);
    await jest.advanceTimersByTimeAsync(500);
    const second = expect(queue.run(work('second'))).rejects.toThrow(/no answer within 1000 ms/);
    await jest.advanceTimersByTimeAsync(1_000);
    await second;
    const third = queue.run(work('third'));
    ends.get('first')?.resolve('');
    await turn();
    expect(begun).toEqual(['first', 'third']);
    ends.get('third')?.resolve('done');
    await expect(third).resolves.toBe('done');
  });

  test('aborts a running check at its deadline, and counts it as running until it settles', async () => {
    const queue = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, signals, work } = createChecks();
    const first = expect(queue.run(work('first'))).rejects.toThrow(/no answer within 1000 ms/);
    expect(signals.get('first')?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1_000);
    await first;
    expect(signals.get('first')?.aborted).toBe(true);
    const second = queue.run(work('second'));
    await turn();
    expect(begun).toEqual(['first']);
    ends.get('first')?.reject(new Error('given up'));
    await turn();
    expect(begun).toEqual(['first', 'second']);
    ends.get('second')?.resolve('');
    await second;
  });
});
