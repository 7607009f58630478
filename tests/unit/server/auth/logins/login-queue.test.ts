import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { LoginQueue } from '../../../../../server/src/auth/logins/login-queue.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** Work that a test ends, and what has begun so far. */
function desk() {
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

describe('a bounded line', () => {
  test('so many at a time; the others begin in their order, as places become free', async () => {
    const line = new LoginQueue({ checksMax: 2, waitingMax: 10, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = desk();
    const answers = ['a', 'b', 'c', 'd'].map((name) => line.run(work(name)));
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

  test('who comes when it is full is refused at once', async () => {
    const line = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = desk();
    const first = line.run(work('first'));
    const second = line.run(work('second'));
    await expect(line.run(work('third'))).rejects.toThrow(/1 logins wait to be checked already \(waitingMax\)/);
    ends.get('first')?.resolve('');
    await first;
    const fourth = line.run(work('fourth'));
    ends.get('second')?.resolve('');
    await second;
    ends.get('fourth')?.resolve('');
    await fourth;
    expect(begun).toEqual(['first', 'second', 'fourth']);
  });

  test('who waits takes turns by where it is from, and who has most in a full line gives way', async () => {
    const line = new LoginQueue({ checksMax: 1, waitingMax: 3, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = desk();
    const outcome = (name: string, from: string) =>
      line.run(work(name), from).then(
        () => `${name} done`,
        ({ message }: Error) => `${name} ${/\w+Max\b/.exec(message)?.[0]}`,
      );
    const flood = ['f0', 'f1', 'f2', 'f3', 'f4'].map((name) => outcome(name, 'there'));
    const others = [outcome('a', 'here'), outcome('b', 'elsewhere'), outcome('c', 'home')];
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

  test('time is up in the line: it is never begun, and its place is free', async () => {
    const line = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, work } = desk();
    void line.run(work('first')).catch(() => undefined);
    await jest.advanceTimersByTimeAsync(500);
    const second = expect(line.run(work('second'))).rejects.toThrow(/no answer within 1000 ms/);
    await jest.advanceTimersByTimeAsync(1_000);
    await second;
    const third = line.run(work('third'));
    ends.get('first')?.resolve('');
    await turn();
    expect(begun).toEqual(['first', 'third']);
    ends.get('third')?.resolve('done');
    await expect(third).resolves.toBe('done');
  });

  test('time is up at work: the work is told, and keeps its place until it has settled', async () => {
    const line = new LoginQueue({ checksMax: 1, waitingMax: 1, checkTimeoutMs: 1_000 });
    const { begun, ends, signals, work } = desk();
    const first = expect(line.run(work('first'))).rejects.toThrow(/no answer within 1000 ms/);
    expect(signals.get('first')?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1_000);
    await first;
    expect(signals.get('first')?.aborted).toBe(true);
    const second = line.run(work('second'));
    await turn();
    expect(begun).toEqual(['first']);
    ends.get('first')?.reject(new Error('given up'));
    await turn();
    expect(begun).toEqual(['first', 'second']);
    ends.get('second')?.resolve('');
    await second;
  });
});
