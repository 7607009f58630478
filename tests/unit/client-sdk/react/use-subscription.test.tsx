/** @jest-environment jsdom */
import { describe, expect, jest, test } from '@jest/globals';
import { render, renderHook } from '@testing-library/react';
import { Activity } from 'react';
import { RelayError } from 'stomp-relay-client';
import type { Message } from 'stomp-relay-client';
import { RelayProvider, useSubscription } from 'stomp-relay-client/react';
import { asClient, FakeClient, holdTime, pass, within } from './fake-client.js';

holdTime();

describe('messages', () => {
  test('each reaches the callback at once, and none renders', () => {
    const fake = new FakeClient();
    const heard: unknown[] = [];
    let renders = 0;
    renderHook(() => (renders++, useSubscription('/topic/chat', ({ data }) => heard.push(data))), {
      wrapper: within(fake),
    });
    fake.say('/topic/chat', 'a', 'b', 'b');
    expect(heard).toEqual(['a', 'b', 'b']);
    expect(renders).toBe(1);
  });

  test('reach the callback of the last render, on the subscription of the first', () => {
    const fake = new FakeClient();
    const heard: string[] = [];
    const { rerender } = renderHook(
      ({ by }) =>
        useSubscription('/topic/chat', ({ data }: Message<string>) => heard.push(`${by}: ${data}`), {
          headers: { selector: 'x = 1' },
          decode: ({ body }) => `${by} ${body}`,
        }),
      { wrapper: within(fake), initialProps: { by: 'first' } },
    );
    fake.say('/topic/chat', 1);
    rerender({ by: 'second' });
    fake.say('/topic/chat', 2);
    expect(heard).toEqual(['first: first 1', 'second: second 2']);
    expect(fake.all).toHaveLength(1);
    expect(fake.all[0]!.options.headers).toEqual({ selector: 'x = 1' });
  });

  test('reach nobody after the component has gone', () => {
    const fake = new FakeClient();
    const onMessage = jest.fn();
    const { unmount } = renderHook(() => useSubscription('/topic/chat', onMessage), { wrapper: within(fake) });
    unmount();
    fake.say('/topic/chat', 1);
    expect(onMessage).not.toHaveBeenCalled();
    expect(fake.live).toHaveLength(1);
    pass(250);
    expect(fake.live).toHaveLength(0);
  });

  test('are decoded by the client where no decoder is given', () => {
    const fake = new FakeClient();
    renderHook(() => useSubscription('/topic/chat', () => {}), { wrapper: within(fake) });
    expect(fake.all[0]!.options.decode).toBeUndefined();
  });
});

describe('the subscription', () => {
  test('is one under StrictMode, and stays', () => {
    const fake = new FakeClient();
    const heard: unknown[] = [];
    const Chat = () => useSubscription('/queue/work', ({ data }) => heard.push(data), { ack: 'client' }).name;
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
    fake.say('/queue/work', 1);
    expect(heard).toEqual([1]);
    expect(container.textContent).toBe('subscribed');
  });

  test('is each component’s own, for each has its own acknowledgements', () => {
    const fake = new FakeClient();
    const wrapper = within(fake);
    renderHook(() => useSubscription('/queue/work', () => {}, { ack: 'client' }), { wrapper });
    renderHook(() => useSubscription('/queue/work', () => {}, { ack: 'client' }), { wrapper });
    expect(fake.live).toHaveLength(2);
  });

  test('ends where it is hidden for long, and is another one when it is shown again', () => {
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
    pass(250);
    expect(fake.live).toEqual([]);
    seen.length = 0;
    rerender(page('visible'));
    fake.live[0]!.confirm();
    expect([...new Set(seen)]).toEqual(['subscribing', 'subscribed']);
  });

  test('shows its state: subscribing, subscribed, refused; idle where it is not wanted', () => {
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
  ])('is another one where the %s changes, and only the new one is heard', (_, next) => {
    const fake = new FakeClient();
    const heard: unknown[] = [];
    interface Props {
      to: string;
      headers?: Record<string, string>;
      ack?: 'client-individual';
    }
    const { rerender } = renderHook(
      ({ to, ...options }: Props) => useSubscription(to, ({ data }) => heard.push(data), options),
      { wrapper: within(fake), initialProps: { to: '/topic/a' } },
    );
    rerender(next);
    expect(fake.all).toHaveLength(2);
    fake.say('/topic/a', 1);
    fake.say('/topic/b', 1);
    expect(heard).toEqual([1]);
    pass(250);
    expect(fake.live).toEqual([fake.all[1]]);
    expect(fake.all[1]!.destination).toBe(next.to);
  });
});

describe('callbacks', () => {
  test('`onRestored` hears each time that messages may be missed, the one of the last render', () => {
    const fake = new FakeClient();
    const heard: number[] = [];
    const { rerender } = renderHook(
      ({ round }) => useSubscription('/topic/chat', () => {}, { onRestored: () => heard.push(round) }),
      { wrapper: within(fake), initialProps: { round: 1 } },
    );
    fake.all[0]!.confirm();
    expect(heard).toEqual([]);
    fake.all[0]!.become({ name: 'subscribing' });
    fake.all[0]!.confirm(true);
    rerender({ round: 2 });
    fake.all[0]!.become({ name: 'subscribing' });
    fake.all[0]!.confirm(true);
    expect(heard).toEqual([1, 2]);
  });

  test('`onError` hears of refusals and of messages that cannot be decoded, the one of the last render', () => {
    const fake = new FakeClient();
    const heard: string[] = [];
    const { rerender } = renderHook(
      ({ round }) =>
        useSubscription('/topic/chat', () => {}, { onError: ({ code }) => heard.push(`${round} ${code}`) }),
      { wrapper: within(fake), initialProps: { round: 1 } },
    );
    fake.all[0]!.options.onError!(new RelayError('decode-failed', 'Not JSON.'));
    rerender({ round: 2 });
    fake.all[0]!.refuse(new RelayError('access-denied', 'No.'));
    expect(heard).toEqual(['1 decode-failed', '2 access-denied']);
  });

  test('nothing is needed but the one for messages', () => {
    const fake = new FakeClient();
    const { result } = renderHook(() => useSubscription('/topic/chat', () => {}), { wrapper: within(fake) });
    fake.all[0]!.confirm(true);
    fake.all[0]!.refuse(new RelayError('access-denied', 'No.'));
    expect(result.current.name).toBe('refused');
  });
});
