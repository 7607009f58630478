/** @jest-environment jsdom */
import { describe, expect, jest, test } from '@jest/globals';
import { render, renderHook } from '@testing-library/react';
import { useEffect, useState } from 'react';
import { RelayError } from 'stomp-relay-client';
import { RelayProvider, useLatest } from 'stomp-relay-client/react';
import { asClient, FakeClient, frame, fakeTime, pass, within } from './fake-client.js';

fakeTime();

interface Quote {
  readonly bid: number;
  readonly ask: number;
}

describe('the result', () => {
  test('is `initial` or undefined until the first message; then the newest data', () => {
    const fake = new FakeClient();
    const { result } = renderHook(
      () => [useLatest('/topic/data'), useLatest('/topic/data', { initial: 'none' })] as const,
      { wrapper: within(fake) },
    );
    expect(result.current.map(({ data }) => data)).toEqual([undefined, 'none']);
    expect(result.current[0]).toMatchObject({ message: undefined, error: undefined, state: { name: 'subscribing' } });
    fake.deliver('/topic/data', 1, 2);
    frame();
    expect(result.current.map(({ data }) => data)).toEqual([2, 2]);
    expect(result.current[0].message).toMatchObject({ destination: '/topic/data', data: 2 });
  });

  test('can be null as data instead of `initial`', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest<unknown>('/topic/data', { initial: 'none' }).data, {
      wrapper: within(fake),
    });
    fake.deliver('/topic/data', null);
    frame();
    expect(result.current).toBeNull();
  });

  test('has the state of the subscription at once, without waiting for a frame', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest('/topic/data'), { wrapper: within(fake) });
    fake.all[0]!.confirm();
    expect(result.current.state).toEqual({ name: 'subscribed', mayHaveMissed: false });
    const error = new RelayError('access-denied', 'No.');
    fake.all[0]!.refuse(error);
    expect(result.current).toMatchObject({ state: { name: 'refused', error }, error });
  });

  test('has the error of a message that could not be decoded until the next one, and keeps the data', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest('/topic/data'), { wrapper: within(fake) });
    fake.deliver('/topic/data', 1);
    frame();
    fake.all[0]!.options.onError!(new RelayError('decode-failed', 'Not JSON.'));
    frame();
    expect(result.current).toMatchObject({ data: 1, error: { code: 'decode-failed' } });
    fake.deliver('/topic/data', 2);
    frame();
    expect(result.current).toMatchObject({ data: 2, error: undefined });
  });
});

describe('bursts', () => {
  test('render all components together once per animation frame', () => {
    const fake = new FakeClient();
    let commits = 0;
    const Price = ({ of }: { of: string }) => <i>{String(useLatest(of).data)} </i>;
    const Board = () => {
      useEffect(() => void commits++);
      return (
        <>
          <Price of="/topic/gold" />
          <Price of="/topic/gold" />
          <Price of="/topic/tin" />
        </>
      );
    };
    const requestFrame = jest.spyOn(globalThis, 'requestAnimationFrame');
    const { container } = render(<Board />, { wrapper: within(fake) });
    for (let price = 1; price <= 1_000; price++) {
      fake.deliver('/topic/gold', price);
      fake.deliver('/topic/tin', -price);
    }
    expect(container.textContent).toBe('undefined undefined undefined ');
    frame();
    expect(container.textContent).toBe('1000 1000 -1000 ');
    expect(requestFrame).toHaveBeenCalledTimes(1);
    expect(commits).toBe(1);
    requestFrame.mockRestore();
  });

  test('render each component once', () => {
    const fake = new FakeClient();
    let renders = 0;
    renderHook(() => (renders++, useLatest('/topic/data')), { wrapper: within(fake) });
    for (let n = 0; n < 100; n++) fake.deliver('/topic/data', n);
    frame();
    frame();
    expect(renders).toBe(2);
  });

  test('render once a second in a hidden tab, which has no frames', () => {
    const hidden = jest.spyOn(globalThis, 'requestAnimationFrame').mockReturnValue(7);
    const cancelFrame = jest.spyOn(globalThis, 'cancelAnimationFrame');
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest('/topic/data').data, { wrapper: within(fake) });
    fake.deliver('/topic/data', 1);
    pass(999);
    expect(result.current).toBeUndefined();
    pass(1);
    expect(result.current).toBe(1);
    expect(cancelFrame).toHaveBeenCalledWith(7); // otherwise they pile up until the tab is shown
    cancelFrame.mockRestore();
    hidden.mockRestore();
  });

  test('leave nothing for a later component after the last one was unmounted', () => {
    const hidden = jest.spyOn(globalThis, 'requestAnimationFrame').mockReturnValue(7);
    const fake = new FakeClient();
    const read = () => useLatest('/topic/data').data;
    const { unmount } = renderHook(read, { wrapper: within(fake) });
    fake.deliver('/topic/data', 1);
    unmount();
    pass(250);
    const { result } = renderHook(read, { wrapper: within(fake) });
    pass(1_000);
    expect(result.current).toBeUndefined();
    hidden.mockRestore();
  });

  test('wait for their own frame after an earlier burst', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest('/topic/data').data, { wrapper: within(fake) });
    fake.deliver('/topic/data', 1);
    frame(); // at 16 ms
    pass(980); // the next frames are at 992 and 1,008 ms
    fake.deliver('/topic/data', 2);
    pass(10);
    expect(result.current).toBe(1);
    frame();
    expect(result.current).toBe(2);
  });

  test('render after a timer where animation frames do not exist', () => {
    const { requestAnimationFrame } = globalThis;
    Object.assign(globalThis, { requestAnimationFrame: undefined });
    try {
      const fake = new FakeClient();
      const { result } = renderHook(() => useLatest('/topic/data').data, { wrapper: within(fake) });
      fake.deliver('/topic/data', 1, 2);
      pass(16);
      expect(result.current).toBe(2);
    } finally {
      Object.assign(globalThis, { requestAnimationFrame });
    }
  });
});

describe('select', () => {
  test('renders only when the selected value changes', () => {
    const fake = new FakeClient();
    let renders = 0;
    const bid = ({ bid }: Quote) => bid;
    const { result } = renderHook(() => (renders++, useLatest<Quote, number>('/topic/gold', { select: bid })), {
      wrapper: within(fake),
    });
    fake.deliver('/topic/gold', { bid: 1, ask: 2 });
    frame();
    expect(result.current.data).toBe(1);
    fake.deliver('/topic/gold', { bid: 1, ask: 3 });
    frame();
    expect(renders).toBe(2);
    fake.deliver('/topic/gold', { bid: 4, ask: 3 });
    frame();
    expect(renders).toBe(3);
    expect(result.current).toMatchObject({ data: 4, message: { data: { bid: 4, ask: 3 } } });
  });

  test.each([
    ['object', ({ bid }: Quote) => ({ bid }), { bid: 1 }],
    ['array', ({ bid }: Quote) => [bid], [1]],
  ])(
    'an inline function that makes a new %s each time returns the same one while its parts are equal',
    (_, transform, expected) => {
      const fake = new FakeClient();
      const seen = new Set<unknown>();
      let renders = 0;
      const Row = () => {
        const { data } = useLatest('/topic/gold', { select: (quote: Quote): unknown => transform(quote) });
        const [, setCopy] = useState<unknown>();
        useEffect(() => setCopy(data), [data]); // would never end with a new value each time
        seen.add(data);
        renders++;
        return null;
      };
      render(<Row />, { wrapper: within(fake) });
      fake.deliver('/topic/gold', { bid: 1, ask: 2 });
      frame();
      fake.deliver('/topic/gold', { bid: 1, ask: 3 });
      frame();
      expect([...seen]).toEqual([undefined, expected]);
      expect(renders).toBe(3);
    },
  );

  test('objects that are not plain are compared as a whole', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useLatest('/topic/at', { select: (ms: number) => new Date(ms) }), {
      wrapper: within(fake),
    });
    fake.deliver('/topic/at', 1);
    frame();
    fake.deliver('/topic/at', 2);
    frame();
    expect(result.current.data).toEqual(new Date(2));
  });

  test('another function applies at once, without a message and without subscribing again', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      ({ side }: { side: keyof Quote }) => useLatest('/topic/gold', { select: (quote: Quote) => quote[side] }).data,
      { wrapper: within(fake), initialProps: { side: 'bid' } },
    );
    fake.deliver('/topic/gold', { bid: 1, ask: 2 });
    frame();
    rerender({ side: 'ask' });
    expect(result.current).toBe(2);
    expect(fake.all).toHaveLength(1);
  });

  test('without it the hook returns the data', () => {
    const fake = new FakeClient();
    const bid = ({ bid }: Quote) => bid;
    const { result, rerender } = renderHook(
      ({ isBid }) => useLatest<Quote, unknown>('/topic/gold', isBid ? { select: bid } : {}).data,
      { wrapper: within(fake), initialProps: { isBid: true } },
    );
    fake.deliver('/topic/gold', { bid: 1, ask: 2 });
    frame();
    rerender({ isBid: false });
    expect(result.current).toEqual({ bid: 1, ask: 2 });
  });
});

describe('one subscription', () => {
  test('serves all components of one destination, also under StrictMode', () => {
    const fake = new FakeClient();
    const Row = () => <i>{String(useLatest('/topic/data').data)}</i>;
    const { container } = render(
      <RelayProvider client={asClient(fake)}>
        <Row />
        <Row />
        <Row />
      </RelayProvider>,
      { reactStrictMode: true },
    );
    pass(1_000);
    expect(fake.all).toHaveLength(1);
    expect(fake.live).toHaveLength(1);
    fake.deliver('/topic/data', 1);
    frame();
    expect(container.textContent).toBe('111');
  });

  test('renders a mounted component once when it is confirmed', () => {
    const fake = new FakeClient();
    let renders = 0;
    renderHook(() => (renders++, useLatest('/topic/data')), { wrapper: within(fake) });
    expect(renders).toBe(1);
    fake.all[0]!.confirm();
    expect(renders).toBe(2);
  });

  test('ends 250 ms after the last component was unmounted', () => {
    const fake = new FakeClient();
    const first = renderHook(() => useLatest('/topic/data'), { wrapper: within(fake) });
    const second = renderHook(() => useLatest('/topic/data'), { wrapper: within(fake) });
    first.unmount();
    pass(1_000);
    expect(fake.live).toHaveLength(1);
    second.unmount();
    pass(249);
    expect(fake.live).toHaveLength(1);
    pass(1);
    expect(fake.live).toHaveLength(0);
  });

  test('gives its newest message to a later component in its first render', () => {
    const fake = new FakeClient();
    const seen: unknown[] = [];
    const read = () => seen.push(useLatest('/topic/data').data);
    const first = renderHook(read, { wrapper: within(fake) });
    fake.deliver('/topic/data', 7);
    frame();
    first.unmount();
    pass(249);
    seen.length = 0;
    renderHook(read, { wrapper: within(fake) });
    expect(seen).toEqual([7]);
  });

  test('starts empty again after it has ended', () => {
    const fake = new FakeClient();
    const read = () => useLatest('/topic/data').data;
    const first = renderHook(read, { wrapper: within(fake) });
    fake.deliver('/topic/data', 7);
    frame();
    fake.deliver('/topic/data', 8);
    first.unmount();
    pass(250);
    const { result } = renderHook(read, { wrapper: within(fake) });
    frame();
    expect(result.current).toBeUndefined();
    expect(fake.all).toHaveLength(2);
  });

  test('does not exist if the destination is null or `skip` is set', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      ({ to, skip }: { to: string | null; skip: boolean }) => useLatest(to, { skip }),
      { wrapper: within(fake), initialProps: { to: null as string | null, skip: false } },
    );
    expect(result.current.state).toEqual({ name: 'idle' });
    rerender({ to: '/topic/data', skip: true });
    expect(result.current.state).toEqual({ name: 'idle' });
    expect(fake.all).toHaveLength(0);
    rerender({ to: '/topic/data', skip: false });
    expect(result.current.state).toEqual({ name: 'subscribing' });
    expect(fake.live).toHaveLength(1);
    fake.deliver('/topic/data', 1);
    frame();
    rerender({ to: '/topic/data', skip: true });
    expect(result.current).toMatchObject({ data: undefined, state: { name: 'idle' } });
    pass(250);
    expect(fake.live).toHaveLength(0);
  });

  test('follows the destination, and never shows data of the previous one', () => {
    const fake = new FakeClient();
    const seen: unknown[] = [];
    const { rerender } = renderHook(({ to }) => seen.push([to, useLatest(to).data]), {
      wrapper: within(fake),
      initialProps: { to: '/topic/a' },
    });
    fake.deliver('/topic/a', 1);
    frame();
    rerender({ to: '/topic/b' });
    fake.deliver('/topic/a', 2);
    fake.deliver('/topic/b', 3);
    frame();
    expect(seen).toEqual([
      ['/topic/a', undefined],
      ['/topic/a', 1],
      ['/topic/b', undefined],
      ['/topic/b', 3],
    ]);
    pass(250);
    expect(fake.live.map(({ destination }) => destination)).toEqual(['/topic/b']);
  });
});

describe('decode', () => {
  test('makes the data, and an inline function does not resubscribe', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      () => useLatest('/topic/data', { decode: ({ body }) => `decoded ${body}` }).data,
      { wrapper: within(fake) },
    );
    rerender();
    fake.deliver('/topic/data', 1);
    frame();
    expect(result.current).toBe('decoded 1');
    expect(fake.all).toHaveLength(1);
  });

  test('components with the same function share their messages; with another function they have their own data', () => {
    const fake = new FakeClient();
    const length = ({ body }: { body: string }) => body.length;
    const { result } = renderHook(
      () => [
        useLatest('/topic/data').data,
        useLatest('/topic/data', { decode: length }).data,
        useLatest('/topic/data', { decode: length }).data,
        useLatest('/topic/data').data,
      ],
      { wrapper: within(fake) },
    );
    expect(fake.all).toHaveLength(2);
    fake.deliver('/topic/data', 'abc');
    frame();
    expect(result.current).toEqual(['abc', 5, 5, 'abc']);
  });
});
