/** @jest-environment jsdom */
import { describe, expect, jest, test } from '@jest/globals';
import { render, renderHook } from '@testing-library/react';
import { Activity } from 'react';
import { RelayError } from 'stomp-relay-client';
import type { Message } from 'stomp-relay-client';
import { RelayProvider, useSubscription } from 'stomp-relay-client/react';
import { asClient, FakeClient, fakeTime, pass, within } from './fake-client.js';

fakeTime();

describe('messages', () => {
  test('reach the callback at once, and none renders', () => {
    const fake = new FakeClient();
    const received: unknown[] = [];
    let renders = 0;
    renderHook(() => (renders++, useSubscription('/topic/chat', ({ data }) => received.push(data))), {
      wrapper: within(fake),
    });
    fake.deliver('/topic/chat', 'a', 'b', 'b');
    expect(received).toEqual(['a', 'b', 'b']);
    expect(renders).toBe(1);
  });

  test('reach the callback of the last render, on the subscription of the first', () => {
    const fake = new FakeClient();
    const received: string[] = [];
    const { rerender } = renderHook(
      ({ by }) =>
        useSubscription('/topic/chat', ({ data }: Message<string>) => received.push(`${by}: ${data}`), {
          headers: { selector: 'x = 1' },
          decode: ({ body }) => `${by} ${body}`,
        }),
      { wrapper: within(fake), initialProps: { by: 'first' } },
    );
    fake.deliver('/topic/chat', 1);
    rerender({ by: 'second' });
    fake.deliver('/topic/chat', 2);
    expect(received).toEqual(['first: first 1', 'second: second 2']);
    expect(fake.all).toHaveLength(1);
    expect(fake.all[0]!.options.headers).toEqual({ selector: 'x = 1' });
  });

  test('are not taken after the unmount: the subscription ends at once', async () => {
    const fake = new FakeClient();
    const onMessage = jest.fn();
    const { unmount } = renderHook(() => useSubscription('/topic/chat', onMessage), { wrapper: within(fake) });
    unmount();
    await Promise.resolve();
    expect(fake.live).toEqual([]);
  });

  test('end the subscription if they come while the component unmounts', async () => {
    const fake = new FakeClient();
    const onMessage = jest.fn();
    const { unmount } = renderHook(() => useSubscription('/topic/chat', onMessage), { wrapper: within(fake) });
    unmount();
    fake.deliver('/topic/chat', 1);
    expect(fake.live).toEqual([]);
    await Promise.resolve();
    expect(onMessage).not.toHaveBeenCalled();
    expect(fake.all).toHaveLength(1);
  });

  test('that were missed are recovered with the options of the client, and its callbacks are those of the last render', () => {
    const fake = new FakeClient();
    const keep = { getItem: () => null, setItem: () => {} };
    const calls: string[] = [];
    const { rerender, result } = renderHook(
      ({ by }) =>
        useSubscription('/topic/chat', () => {}, {
          recover: false,
          keep,
          load: () => calls.push(`${by} loads`),
          onGap: ({ reason }) => calls.push(`${by} gets ${reason}`),
        }),
      { wrapper: within(fake), initialProps: { by: 'first' } },
    );
    rerender({ by: 'second' });
    expect(fake.all).toHaveLength(1);
    const { options } = fake.all[0]!;
    expect(options).toMatchObject({ recover: false, keep });
    const gap = { from: 'p1', to: 'p2', reason: 'too-old' };
    options.onGap?.(gap);
    void options.load?.();
    expect(calls).toEqual(['second gets too-old', 'second loads']);
    const state = { name: 'subscribed', mayHaveMissed: true, recovered: false, gap } as const;
    fake.all[0]!.setState(state);
    expect(result.current).toBe(state);
  });

  test('are not held back for a `load` that the component does not have', () => {
    const fake = new FakeClient();
    renderHook(() => useSubscription('/topic/chat', () => {}), { wrapper: within(fake) });
    expect(fake.all[0]!.options.load).toBeUndefined();
  });

  test('are decoded by the client if the hook has no decoder', () => {
    const fake = new FakeClient();
    renderHook(() => useSubscription('/topic/chat', () => {}), { wrapper: within(fake) });
    expect(fake.all[0]!.options.decode).toBeUndefined();
  });
});

describe('the subscription', () => {
  test('is set up once under StrictMode, and stays', () => {
    const fake = new FakeClient();
    const received: unknown[] = [];
    const Chat = () => useSubscription('/queue/work', ({ data }) => received.push(data), { ack: 'client' }).name;
    const { container } = render(
      <RelayProvider client={asClient(fake)}>
        <Chat />
      </RelayProvider>,
      { reactStrictMode: true },
    );
    pass(1_000);
    expect(fake.all).toHaveLength(1);
    expect(fake.live).toHaveLength(1);
    expect(fake.all[0]!.options.ack).toBe('client');
    fake.all[0]!.confirm();
    fake.deliver('/queue/work', 1);
    expect(received).toEqual([1]);
    expect(container.textContent).toBe('subscribed');
  });

  test('is not shared between components that acknowledge', () => {
    const fake = new FakeClient();
    const wrapper = within(fake);
    renderHook(() => useSubscription('/queue/work', () => {}, { ack: 'client' }), { wrapper });
    renderHook(() => useSubscription('/queue/work', () => {}, { ack: 'client' }), { wrapper });
    expect(fake.live).toHaveLength(2);
  });

  test('ends when the component is hidden, and is set up again when it is shown', async () => {
    const fake = new FakeClient();
    const seen: string[] = [];
    const Chat = () => {
      seen.push(useSubscription('/topic/chat', () => {}).name);
      return null;
    };
    const page = (mode: 'visible' | 'hidden') => (
      <Activity mode={mode}>
        <Chat />
      </Activity>
    );
    const { rerender } = render(page('visible'), { wrapper: within(fake) });
    fake.all[0]!.confirm();
    rerender(page('hidden'));
    await Promise.resolve();
    expect(fake.live).toEqual([]);
    seen.length = 0;
    rerender(page('visible'));
    fake.live[0]!.confirm();
    expect([...new Set(seen)]).toEqual(['subscribing', 'subscribed']);
  });

  test('has a state: subscribing, subscribed, refused; idle if it is skipped', () => {
    const fake = new FakeClient();
    const { result, rerender } = renderHook(
      ({ to, skip }: { to: string | null; skip: boolean }) => useSubscription(to, () => {}, { skip }),
      { wrapper: within(fake), initialProps: { to: null as string | null, skip: false } },
    );
    expect(result.current).toEqual({ name: 'idle' });
    rerender({ to: '/topic/chat', skip: true });
    expect(result.current).toEqual({ name: 'idle' });
    expect(fake.all).toHaveLength(0);
    rerender({ to: '/topic/chat', skip: false });
    expect(result.current).toEqual({ name: 'subscribing' });
    fake.all[0]!.confirm();
    expect(result.current).toEqual({ name: 'subscribed', mayHaveMissed: false });
    const error = new RelayError('access-denied', 'No.');
    fake.all[0]!.refuse(error);
    expect(result.current).toEqual({ name: 'refused', error });
    rerender({ to: '/topic/chat', skip: true });
    expect(result.current).toEqual({ name: 'idle' });
  });

  test.each([
    ['destination', { to: '/topic/b' }],
    ['contents of the headers', { to: '/topic/a', headers: { selector: 'x = 2' } }],
    ['ack mode', { to: '/topic/a', ack: 'client-individual' as const }],
  ])('is replaced when the %s changes, and only the new one delivers', async (_, next) => {
    const fake = new FakeClient();
    const received: unknown[] = [];
    interface Props {
      to: string;
      headers?: Record<string, string>;
      ack?: 'client-individual';
    }
    const { rerender } = renderHook(
      ({ to, ...options }: Props) => useSubscription(to, ({ data }) => received.push(data), options),
      { wrapper: within(fake), initialProps: { to: '/topic/a' } },
    );
    rerender(next);
    expect(fake.all).toHaveLength(2);
    fake.deliver('/topic/a', 1);
    fake.deliver('/topic/b', 1);
    expect(received).toEqual([1]);
    await Promise.resolve();
    expect(fake.live).toEqual([fake.all[1]]);
    expect(fake.all[1]!.destination).toBe(next.to);
  });
});

describe('callbacks', () => {
  test('`onRestored` of the last render is called each time that messages may be missed', () => {
    const fake = new FakeClient();
    const calls: number[] = [];
    const { rerender } = renderHook(
      ({ round }) => useSubscription('/topic/chat', () => {}, { onRestored: () => calls.push(round) }),
      { wrapper: within(fake), initialProps: { round: 1 } },
    );
    fake.all[0]!.confirm();
    expect(calls).toEqual([]);
    fake.all[0]!.setState({ name: 'subscribing' });
    fake.all[0]!.confirm(true);
    rerender({ round: 2 });
    fake.all[0]!.setState({ name: 'subscribing' });
    fake.all[0]!.confirm(true);
    expect(calls).toEqual([1, 2]);
  });

  test('`onError` of the last render is called for refusals and for messages that cannot be decoded', () => {
    const fake = new FakeClient();
    const calls: string[] = [];
    const { rerender } = renderHook(
      ({ round }) =>
        useSubscription('/topic/chat', () => {}, { onError: ({ code }) => calls.push(`${round} ${code}`) }),
      { wrapper: within(fake), initialProps: { round: 1 } },
    );
    fake.all[0]!.options.onError!(new RelayError('decode-failed', 'Not JSON.'));
    rerender({ round: 2 });
    fake.all[0]!.refuse(new RelayError('access-denied', 'No.'));
    expect(calls).toEqual(['1 decode-failed', '2 access-denied']);
  });

  test('are optional except for `onMessage`', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useSubscription('/topic/chat', () => {}), { wrapper: within(fake) });
    fake.all[0]!.confirm(true);
    fake.all[0]!.refuse(new RelayError('access-denied', 'No.'));
    expect(result.current.name).toBe('refused');
  });
});
