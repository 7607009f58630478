/** @jest-environment jsdom */
import { describe, expect, jest, test } from '@jest/globals';
import { act, renderHook } from '@testing-library/react';
import { RelayError } from 'stomp-relay-client';
import { useLatest, useMessages } from 'stomp-relay-client/react';
import { alive } from './alive.js';
import { FakeClient, frame, fakeTime, pass, within } from './fake-client.js';

fakeTime();

function countTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

describe('the result', () => {
  test('has the messages in order, in the same array until the next one', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(() => useMessages('/topic/chat'), { wrapper: within(fake) });
    expect(result.current).toMatchObject({ messages: [], state: { name: 'subscribing' }, error: undefined });
    const none = result.current.messages;
    rerender();
    expect(result.current.messages).toBe(none);
    fake.deliver('/topic/chat', 'a', 'b');
    frame();
    fake.deliver('/topic/chat', 'c');
    frame();
    expect(result.current.messages).toEqual(['a', 'b', 'c']);
    const three = result.current.messages;
    fake.all[0]!.confirm();
    expect(result.current.state.name).toBe('subscribed');
    rerender();
    expect(result.current.messages).toBe(three);
  });

  test('has the newest 100 messages, or `limit`', () => {
    const fake = new FakeClient();
    const { result } = renderHook(
      () => [useMessages('/topic/chat'), useMessages('/topic/chat', { limit: 3 })].map(({ messages }) => messages),
      { wrapper: within(fake) },
    );
    fake.deliver('/topic/chat', ...countTo(90));
    frame();
    fake.deliver('/topic/chat', ...countTo(120, 91));
    frame();
    expect(result.current).toEqual([countTo(120, 21), countTo(120, 118)]);
    expect(fake.all).toHaveLength(1);
  });

  test('keeps its messages when the limit is raised, and has more from then on', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(({ limit }) => useMessages('/topic/chat', { limit }).messages, {
      wrapper: within(fake),
      initialProps: { limit: 2 },
    });
    fake.deliver('/topic/chat', 1, 2, 3);
    frame();
    rerender({ limit: 4 });
    fake.deliver('/topic/chat', 4, 5);
    frame();
    expect(result.current).toEqual([2, 3, 4, 5]);
    expect(fake.all).toHaveLength(1);
  });

  test('renders a component once per frame', () => {
    const fake = new FakeClient();
    let renders = 0;
    const { result } = renderHook(() => (renders++, useMessages('/topic/chat').messages), { wrapper: within(fake) });
    for (let round = 1; round <= 3; round++) {
      fake.deliver('/topic/chat', ...countTo(50));
      frame();
    }
    expect(renders).toBe(4);
    expect(result.current).toHaveLength(100);
  });

  test('has the error of a refusal', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useMessages('/topic/chat'), { wrapper: within(fake) });
    const error = new RelayError('access-denied', 'No.');
    fake.all[0]!.refuse(error);
    expect(result.current).toMatchObject({ state: { name: 'refused', error }, error });
  });

  test('has the reason while the client subscribes again', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useMessages('/topic/chat'), { wrapper: within(fake) });
    const reason = new RelayError('queue-in-use', 'Another tab has it.');
    fake.all[0]!.confirm();
    fake.all[0]!.retry(reason);
    expect(result.current).toMatchObject({ state: { name: 'subscribing' }, error: reason });
    fake.all[0]!.confirm();
    expect(result.current).toMatchObject({ state: { name: 'subscribed' }, error: undefined });
  });

  test('is empty if the destination is null', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useMessages(null), { wrapper: within(fake) });
    expect(result.current).toMatchObject({ messages: [], state: { name: 'idle' } });
    expect(fake.all).toEqual([]);
  });

  test('has no messages of the previous destination', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(({ to }) => useMessages(to).messages, {
      wrapper: within(fake),
      initialProps: { to: '/topic/a' },
    });
    fake.deliver('/topic/a', 1);
    frame();
    rerender({ to: '/topic/b' });
    expect(result.current).toEqual([]);
    fake.deliver('/topic/b', 2);
    frame();
    expect(result.current).toEqual([2]);
  });
});

test.each([
  ['never painted', () => {}],
  ['painted after each message', frame],
])('a tab that is %s keeps little more than its limit', async (_, paint) => {
  const fake = new FakeClient();
  renderHook(() => useMessages<object>('/topic/chat', { limit: 10 }), { wrapper: within(fake) });
  const sent = Array.from({ length: 1_000 }, () => {
    const data = {};
    fake.deliver('/topic/chat', data);
    paint();
    return new WeakRef(data);
  });
  const kept = await alive(sent);
  expect(kept.length).toBeGreaterThanOrEqual(10);
  expect(kept.length).toBeLessThan(50);
});

test('former destinations and decoders are released', async () => {
  const fake = new FakeClient();
  const decoders: WeakRef<object>[] = [];
  const { rerender } = renderHook(
    ({ round }) => {
      const decode = () => round;
      decoders.push(new WeakRef(decode));
      return useMessages(`/topic/${round}`, { decode });
    },
    { wrapper: within(fake), initialProps: { round: 0 } },
  );
  for (let round = 1; round < 100; round++) rerender({ round });
  pass(250);
  fake.all.length = 0;
  expect((await alive(decoders)).length).toBeLessThan(10);
});

describe('select', () => {
  test('runs once for each message, and its results are kept', () => {
    const fake = new FakeClient();
    const select = jest.fn((text: string) => ({ text }));
    const { result } = renderHook(() => useMessages('/topic/chat', { select, limit: 3 }).messages, {
      wrapper: within(fake),
    });
    fake.deliver('/topic/chat', 'a', 'b', 'c');
    frame();
    const [, b, c] = result.current;
    fake.deliver('/topic/chat', 'd');
    frame();
    expect(result.current).toEqual([{ text: 'b' }, { text: 'c' }, { text: 'd' }]);
    expect(result.current[0]).toBe(b);
    expect(result.current[1]).toBe(c);
    expect(select.mock.calls.map(([text]) => text)).toEqual(['a', 'b', 'c', 'd']);
  });

  test('as an inline function changes neither the array nor its items while they are equal', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      () => useMessages('/topic/chat', { select: (text: string) => ({ text }), limit: 3 }).messages,
      { wrapper: within(fake) },
    );
    fake.deliver('/topic/chat', 'a', 'b', 'c');
    frame();
    const before = result.current;
    rerender();
    expect(result.current).toBe(before);
    fake.deliver('/topic/chat', 'd');
    frame();
    expect(result.current[0]).toBe(before[1]);
    expect(result.current.map(({ text }) => text)).toEqual(['b', 'c', 'd']);
  });

  test('applies to present messages after a change of the function', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      ({ by }) => useMessages('/topic/chat', { select: (n: number) => n * by }).messages,
      { wrapper: within(fake), initialProps: { by: 1 } },
    );
    fake.deliver('/topic/chat', 1, 2);
    frame();
    rerender({ by: 10 });
    expect(result.current).toEqual([10, 20]);
  });

  test('gets the message too', () => {
    const fake = new FakeClient();
    const { result } = renderHook(
      () => useMessages('/topic/chat', { select: (_: unknown, { destination }) => destination }).messages,
      { wrapper: within(fake) },
    );
    fake.deliver('/topic/chat', 1);
    frame();
    expect(result.current).toEqual(['/topic/chat']);
  });
});

describe('clear', () => {
  test('removes all messages, even if the selected items were equal for long', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useMessages('/topic/chat', { select: () => 'ok', limit: 2 }), {
      wrapper: within(fake),
    });
    for (const n of countTo(5)) {
      fake.deliver('/topic/chat', n);
      frame();
    }
    expect(result.current.messages).toEqual(['ok', 'ok']);
    act(() => result.current.clear());
    expect(result.current.messages).toEqual([]);
  });

  test('removes the shown messages, for this component only, and is always the same function', () => {
    const fake = new FakeClient();
    const { result } = renderHook(
      () => ({ own: useMessages('/topic/chat'), other: useMessages('/topic/chat'), latest: useLatest('/topic/chat') }),
      { wrapper: within(fake) },
    );
    const { clear } = result.current.own;
    act(() => clear());
    fake.deliver('/topic/chat', 'a', 'b');
    frame();
    fake.deliver('/topic/chat', 'c'); // shown in the next frame
    act(() => clear());
    expect(result.current.own.messages).toEqual([]);
    act(() => clear());
    frame();
    expect(result.current.own.messages).toEqual(['c']);
    expect(result.current.other.messages).toEqual(['a', 'b', 'c']);
    expect(result.current.latest.data).toBe('c');
    expect(result.current.own.clear).toBe(clear);
  });

  test('removes no later message when the cleared ones are no longer kept', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useMessages('/topic/chat', { limit: 2 }), { wrapper: within(fake) });
    fake.deliver('/topic/chat', 1);
    frame();
    act(() => result.current.clear());
    fake.deliver('/topic/chat', 2, 3);
    frame();
    expect(result.current.messages).toEqual([2, 3]);
  });
});
