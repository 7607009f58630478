import { expect, test } from '@jest/globals';
import { Idempotency } from '../../../../../server/src/http/messages/idempotency.js';

const OPTIONS = { idempotencyMs: 1_000, idempotencyMaxCount: 4, idempotencyMaxBytes: 1_000_000 };

function setUp(options: Partial<typeof OPTIONS> = {}) {
  const clock = { now: 0 };
  const done: string[] = [];
  /** Answers that begin with "?" are not final. */
  const sizeOf = (answer: string) => (answer.startsWith('?') ? undefined : answer.length);
  const answers = new Idempotency<string>({ ...OPTIONS, ...options }, sizeOf, () => clock.now);
  const once = (key: string, answer: string | Promise<string> = 'done', user = 'ann', fingerprint = 'same') =>
    answers.once({ user, key, fingerprint }, async (earlier) => {
      if (earlier !== undefined) return earlier;
      done.push(key);
      return answer;
    });
  return { clock, done, answers, once };
}

test('a repeated request with the same key gets the first answer for idempotencyMs', async () => {
  const { clock, done, once } = setUp();
  expect(await once('k')).toEqual({ answer: 'done', isReplayed: false });
  expect(await once('k')).toEqual({ answer: 'done', isReplayed: true });
  clock.now = 1_000;
  expect((await once('k')).isReplayed).toBe(false);
  expect(done).toEqual(['k', 'k']);
});

test('a repeated request during the first one waits for its answer', async () => {
  const { done, once } = setUp();
  let answer = (_text: string): void => undefined;
  const first = once('k', new Promise((resolve) => (answer = resolve)));
  const second = once('k');
  answer('late');
  expect([await first, await second].map((each) => each.answer)).toEqual(['late', 'late']);
  expect(done).toEqual(['k']);
});

test('a different request with the same key is refused; keys of different users are independent', async () => {
  const { once } = setUp();
  await once('k');
  await expect(once('k', 'done', 'ann', 'other')).rejects.toMatchObject({
    status: 422,
    code: 'idempotency-key-reused',
  });
  expect((await once('k', 'done', 'bob', 'other')).isReplayed).toBe(false);
});

test('answers that are not final, and failures, are not kept', async () => {
  const { answers, once } = setUp();
  await once('k', '?');
  await expect(once('l', Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect([answers.size, answers.heldBytes]).toEqual([0, 0]);
  expect((await once('k')).isReplayed).toBe(false);
});

test('a repeated request receives the earlier answer, to complete it', async () => {
  const { answers } = setUp();
  const seen: (string | undefined)[] = [];
  const request = { user: 'ann', key: 'k', fingerprint: 'same' };
  for (const answer of ['in part', 'all']) {
    await answers.once(request, (earlier) => {
      seen.push(earlier);
      return Promise.resolve(answer);
    });
  }
  expect(seen).toEqual([undefined, 'in part']);
});

test('beyond the limit the user with the most loses its oldest answers, and the others keep theirs', async () => {
  const { answers, once } = setUp({ idempotencyMaxCount: 6 });
  await once('of ann', 'done', 'ann');
  for (let i = 0; i < 10; i++) await once(`of eve ${i}`, 'done', 'eve');
  expect(answers.size).toBe(6);
  await once('of bob', 'done', 'bob');
  await once('more of ann', 'done', 'ann');
  const isKept = async (key: string, user: string) => (await once(key, 'done', user)).isReplayed;
  expect(await isKept('of ann', 'ann')).toBe(true);
  expect(await isKept('more of ann', 'ann')).toBe(true);
  expect(await isKept('of bob', 'bob')).toBe(true);
  expect(await isKept('of eve 9', 'eve')).toBe(true);
  expect(await isKept('of eve 0', 'eve')).toBe(false);
});

test('a few large answers count for more than many small ones', async () => {
  const { once } = setUp({ idempotencyMaxCount: 1_000, idempotencyMaxBytes: 20_000 });
  for (let i = 0; i < 5; i++) await once(`small ${i}`, 'done', 'ann');
  for (let i = 0; i < 10; i++) await once(`large ${i}`, 'x'.repeat(5_000), 'eve');
  for (let i = 0; i < 5; i++) expect((await once(`small ${i}`, 'done', 'ann')).isReplayed).toBe(true);
});

test('the bytes of all answers are bounded', async () => {
  const { answers, once } = setUp({ idempotencyMaxCount: 1_000, idempotencyMaxBytes: 10_000 });
  for (let i = 0; i < 100; i++) await once(`k${i}`, 'x'.repeat(1_000));
  expect(answers.heldBytes).toBeLessThan(12_000);
  expect(answers.size).toBeGreaterThan(1);
});
