/** @jest-environment jsdom */
import { describe, expect, test } from '@jest/globals';
import { act, render, renderHook } from '@testing-library/react';
import { Activity, useEffect } from 'react';
import { RelayError } from 'stomp-relay-client';
import type { Message } from 'stomp-relay-client';
import { useRequest } from 'stomp-relay-client/react';
import { FakeClient, within } from './fake-client.js';

const NOTHING = { data: undefined, error: undefined, isPending: false };
const late = new RelayError('timeout', 'No answer.');

function asking(fake: FakeClient) {
  return renderHook(({ to, timeoutMs }) => useRequest<number>(to, { timeoutMs }), {
    wrapper: within(fake),
    initialProps: { to: '/queue/sums', timeoutMs: 5_000 },
  });
}

describe('a question', () => {
  test('is pending until its answer is shown, which is also what `request` resolves with', async () => {
    const fake = new FakeClient();
    const { result } = asking(fake);
    expect(result.current).toMatchObject(NOTHING);
    let answered!: Promise<Message<number>>;
    act(() => void (answered = result.current.request([1, 2])));
    expect(result.current).toMatchObject({ ...NOTHING, isPending: true });
    expect(fake.asked).toMatchObject([{ destination: '/queue/sums', data: [1, 2], options: { timeoutMs: 5_000 } }]);
    await fake.asked[0]!.succeed(3);
    expect(result.current).toMatchObject({ ...NOTHING, data: 3 });
    expect((await answered).data).toBe(3);
  });

  test('that fails shows why', async () => {
    const fake = new FakeClient();
    const { result } = asking(fake);
    let answered!: Promise<unknown>;
    act(() => void (answered = result.current.request(1)));
    await fake.asked[0]!.fail(late);
    expect(result.current).toMatchObject({ ...NOTHING, error: late });
    await expect(answered).rejects.toBe(late);
  });

  test('is asked with the options of the last render', () => {
    const fake = new FakeClient();
    const { result, rerender } = asking(fake);
    const { request } = result.current;
    rerender({ to: '/queue/sums', timeoutMs: 1 });
    expect(result.current.request).toBe(request);
    act(() => void request(1));
    expect(fake.asked[0]!.options.timeoutMs).toBe(1);
  });
});

describe('is aborted, and its late answer ignored,', () => {
  test('by another question', async () => {
    const fake = new FakeClient();
    const { result } = asking(fake);
    act(() => void result.current.request(1));
    act(() => void result.current.request(2));
    const [first, second] = fake.asked;
    expect([first!.options.signal!.aborted, second!.options.signal!.aborted]).toEqual([true, false]);
    await first!.fail(new RelayError('aborted', 'It was aborted.'));
    expect(result.current).toMatchObject({ ...NOTHING, isPending: true });
    await second!.succeed(2);
    expect(result.current).toMatchObject({ ...NOTHING, data: 2 });
  });

  test('by `reset`, which also forgets an answer', async () => {
    const fake = new FakeClient();
    const { result } = asking(fake);
    act(() => void result.current.request(1));
    act(() => result.current.reset());
    expect(fake.asked[0]!.options.signal!.aborted).toBe(true);
    await fake.asked[0]!.succeed(1);
    expect(result.current).toMatchObject(NOTHING);
    act(() => void result.current.request(2));
    await fake.asked[1]!.succeed(2);
    expect(result.current.data).toBe(2);
    act(() => result.current.reset());
    expect(result.current).toMatchObject(NOTHING);
  });

  test('by the unmount', () => {
    const fake = new FakeClient();
    const { result, unmount } = asking(fake);
    act(() => void result.current.request(1));
    unmount();
    expect(fake.asked[0]!.options.signal!.aborted).toBe(true);
  });

  test('by another destination, where nothing of the first is shown, nor later on the way back', async () => {
    const fake = new FakeClient();
    const { result, rerender } = asking(fake);
    const shown: unknown[] = [];
    act(() => void result.current.request(1));
    rerender({ to: '/queue/products', timeoutMs: 5_000 });
    expect(fake.asked[0]!.options.signal!.aborted).toBe(true);
    await fake.asked[0]!.succeed(1);
    shown.push(result.current);
    rerender({ to: '/queue/sums', timeoutMs: 5_000 });
    shown.push(result.current);
    expect(shown).toMatchObject([NOTHING, NOTHING]);
  });
});

test('a question whose component was hidden meanwhile is not shown as failed', async () => {
  const fake = new FakeClient();
  let shown!: ReturnType<typeof useRequest>;
  const Sum = () => {
    shown = useRequest('/queue/sums');
    return null;
  };
  const page = (mode: 'visible' | 'hidden') => (
    <Activity mode={mode}>
      <Sum />
    </Activity>
  );
  const { rerender } = render(page('visible'), { wrapper: within(fake) });
  act(() => void shown.request(1));
  rerender(page('hidden'));
  expect(fake.asked[0]!.options.signal!.aborted).toBe(true);
  await fake.asked[0]!.fail(new RelayError('aborted', 'It was aborted.'));
  rerender(page('visible'));
  expect(shown).toMatchObject(NOTHING);
});

test('an answer of the destination before is in no render of the next one', async () => {
  const fake = new FakeClient();
  const seen: unknown[] = [];
  const { result, rerender } = renderHook(
    ({ to }) => {
      const answer = useRequest<number>(to);
      seen.push([to, answer.data]);
      return answer;
    },
    { wrapper: within(fake), initialProps: { to: '/queue/a' } },
  );
  act(() => void result.current.request(1));
  await fake.asked[0]!.succeed(7);
  seen.length = 0;
  rerender({ to: '/queue/b' });
  expect(seen).toEqual([['/queue/b', undefined]]);
});

test('asked in an effect, it is asked anew by StrictMode and answered', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(
    () => {
      const { request, ...answer } = useRequest<number>('/queue/sums');
      useEffect(() => void request(1), [request]);
      return answer;
    },
    { wrapper: within(fake), reactStrictMode: true },
  );
  expect(fake.asked.map(({ options }) => options.signal!.aborted)).toEqual([true, false]);
  expect(result.current.isPending).toBe(true);
  await fake.asked[0]!.fail(new RelayError('aborted', 'It was aborted.'));
  await fake.asked[1]!.succeed(3);
  expect(result.current.data).toBe(3);
});
