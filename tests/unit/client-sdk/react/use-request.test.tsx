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

function renderRequest(fake: FakeClient) {
  return renderHook(({ to, timeoutMs }) => useRequest<number>(to, { timeoutMs }), {
    wrapper: within(fake),
    initialProps: { to: '/queue/sums', timeoutMs: 5_000 },
  });
}

describe('a request', () => {
  test('is pending until the hook returns the answer, and `request` resolves with the same answer', async () => {
    const fake = new FakeClient();
    const { result } = renderRequest(fake);
    expect(result.current).toMatchObject(NOTHING);
    let answered!: Promise<Message<number>>;
    act(() => void (answered = result.current.request([1, 2])));
    expect(result.current).toMatchObject({ ...NOTHING, isPending: true });
    expect(fake.pendingCalls).toMatchObject([
      { destination: '/queue/sums', data: [1, 2], options: { timeoutMs: 5_000 } },
    ]);
    await fake.pendingCalls[0]!.succeed(3);
    expect(result.current).toMatchObject({ ...NOTHING, data: 3 });
    expect((await answered).data).toBe(3);
  });

  test('has its error after a failure', async () => {
    const fake = new FakeClient();
    const { result } = renderRequest(fake);
    let answered!: Promise<unknown>;
    act(() => void (answered = result.current.request(1)));
    await fake.pendingCalls[0]!.fail(late);
    expect(result.current).toMatchObject({ ...NOTHING, error: late });
    await expect(answered).rejects.toBe(late);
  });

  test('is sent with the options of the last render', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderRequest(fake);
    const { request } = result.current;
    rerender({ to: '/queue/sums', timeoutMs: 1 });
    expect(result.current.request).toBe(request);
    act(() => void request(1));
    expect(fake.pendingCalls[0]!.options.timeoutMs).toBe(1);
  });
});

describe('is aborted, and its late answer ignored,', () => {
  test('by another request', async () => {
    const fake = new FakeClient();
    const { result } = renderRequest(fake);
    act(() => void result.current.request(1));
    act(() => void result.current.request(2));
    const [first, second] = fake.pendingCalls;
    expect([first!.options.signal!.aborted, second!.options.signal!.aborted]).toEqual([true, false]);
    await first!.fail(new RelayError('aborted', 'The request was aborted.'));
    expect(result.current).toMatchObject({ ...NOTHING, isPending: true });
    await second!.succeed(2);
    expect(result.current).toMatchObject({ ...NOTHING, data: 2 });
  });

  test('by `reset`, which also clears an answer', async () => {
    const fake = new FakeClient();
    const { result } = renderRequest(fake);
    act(() => void result.current.request(1));
    act(() => result.current.reset());
    expect(fake.pendingCalls[0]!.options.signal!.aborted).toBe(true);
    await fake.pendingCalls[0]!.succeed(1);
    expect(result.current).toMatchObject(NOTHING);
    act(() => void result.current.request(2));
    await fake.pendingCalls[1]!.succeed(2);
    expect(result.current.data).toBe(2);
    act(() => result.current.reset());
    expect(result.current).toMatchObject(NOTHING);
  });

  test('by the unmount', () => {
    const fake = new FakeClient();
    const { result, unmount } = renderRequest(fake);
    act(() => void result.current.request(1));
    unmount();
    expect(fake.pendingCalls[0]!.options.signal!.aborted).toBe(true);
  });

  test('by another destination, which shows no result of the first, nor does a return to the first', async () => {
    const fake = new FakeClient();
    const { result, rerender } = renderRequest(fake);
    const results: unknown[] = [];
    act(() => void result.current.request(1));
    rerender({ to: '/queue/products', timeoutMs: 5_000 });
    expect(fake.pendingCalls[0]!.options.signal!.aborted).toBe(true);
    await fake.pendingCalls[0]!.succeed(1);
    results.push(result.current);
    rerender({ to: '/queue/sums', timeoutMs: 5_000 });
    results.push(result.current);
    expect(results).toMatchObject([NOTHING, NOTHING]);
  });
});

test('a request whose component was hidden does not count as failed', async () => {
  const fake = new FakeClient();
  let result!: ReturnType<typeof useRequest>;
  const Sum = () => {
    result = useRequest('/queue/sums');
    return null;
  };
  const page = (mode: 'visible' | 'hidden') => (
    <Activity mode={mode}>
      <Sum />
    </Activity>
  );
  const { rerender } = render(page('visible'), { wrapper: within(fake) });
  act(() => void result.request(1));
  rerender(page('hidden'));
  expect(fake.pendingCalls[0]!.options.signal!.aborted).toBe(true);
  await fake.pendingCalls[0]!.fail(new RelayError('aborted', 'The request was aborted.'));
  rerender(page('visible'));
  expect(result).toMatchObject(NOTHING);
});

test('no render of the next destination has the answer of the previous one', async () => {
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
  await fake.pendingCalls[0]!.succeed(7);
  seen.length = 0;
  rerender({ to: '/queue/b' });
  expect(seen).toEqual([['/queue/b', undefined]]);
});

test('a request in an effect is sent again by StrictMode and answered', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(
    () => {
      const { request, ...answer } = useRequest<number>('/queue/sums');
      useEffect(() => void request(1), [request]);
      return answer;
    },
    { wrapper: within(fake), reactStrictMode: true },
  );
  expect(fake.pendingCalls.map(({ options }) => options.signal!.aborted)).toEqual([true, false]);
  expect(result.current.isPending).toBe(true);
  await fake.pendingCalls[0]!.fail(new RelayError('aborted', 'The request was aborted.'));
  await fake.pendingCalls[1]!.succeed(3);
  expect(result.current.data).toBe(3);
});
