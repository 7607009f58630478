/** @jest-environment jsdom */
import { expect, test } from '@jest/globals';
import { act, renderHook } from '@testing-library/react';
import { RelayError } from 'stomp-relay-client';
import { usePublish } from 'stomp-relay-client/react';
import { FakeClient, within } from './fake-client.js';

const refused = new RelayError('access-denied', 'No.');

test('publishes to its destination, with options, and resolves with the confirm', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  expect(result.current).toMatchObject({ isPublishing: false, error: undefined });
  let isConfirmed = false;
  act(() => {
    void result.current.publish({ text: 'Hi' }, { headers: { a: 'b' } }).then(() => (isConfirmed = true));
  });
  expect(fake.pendingCalls).toMatchObject([
    { destination: '/topic/chat', data: { text: 'Hi' }, options: { headers: { a: 'b' } } },
  ]);
  expect(result.current.isPublishing).toBe(true);
  expect(isConfirmed).toBe(false);
  await fake.pendingCalls[0]!.succeed();
  expect(isConfirmed).toBe(true);
  expect(result.current).toMatchObject({ isPublishing: false, error: undefined });
});

test('publishes to any destination if the hook has none', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish(), { wrapper: within(fake) });
  act(() => void result.current.publish('/topic/other', 1, { id: 'x' }));
  expect(fake.pendingCalls).toMatchObject([{ destination: '/topic/other', data: 1, options: { id: 'x' } }]);
  await fake.pendingCalls[0]!.succeed();
});

test('`isPublishing` is true until the last message is confirmed', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  act(() => {
    void result.current.publish(1);
    void result.current.publish(2);
  });
  await fake.pendingCalls[1]!.succeed();
  expect(result.current.isPublishing).toBe(true);
  await fake.pendingCalls[0]!.succeed();
  expect(result.current.isPublishing).toBe(false);
});

test('`error` has the failure until the next publish, and the promise rejects', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  let published!: Promise<void>;
  act(() => void (published = result.current.publish(1)));
  await fake.pendingCalls[0]!.fail(refused);
  expect(result.current).toMatchObject({ isPublishing: false, error: refused });
  await expect(published).rejects.toBe(refused);
  act(() => void result.current.publish(2));
  expect(result.current).toMatchObject({ isPublishing: true, error: undefined });
  await fake.pendingCalls[1]!.succeed();
  expect(result.current.error).toBeUndefined();
});

test('`error` stays when earlier messages succeed after the failure', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  act(() => {
    void result.current.publish(1);
    void result.current.publish(2);
  });
  await fake.pendingCalls[0]!.fail(refused);
  await fake.pendingCalls[1]!.succeed();
  expect(result.current).toMatchObject({ isPublishing: false, error: refused });
});

test('a failure with an ignored promise is no unhandled rejection', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  const unhandled: unknown[] = [];
  const record = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', record);
  act(() => void result.current.publish(1));
  await fake.pendingCalls[0]!.fail(refused);
  await new Promise((resolve) => setTimeout(resolve)); // Node reports them at the end of the turn
  process.off('unhandledRejection', record);
  expect(unhandled).toEqual([]);
});

test('`publish` is the same function until the destination changes', () => {
  const fake = new FakeClient();
  const { result, rerender } = renderHook(({ to }) => usePublish(to).publish, {
    wrapper: within(fake),
    initialProps: { to: '/topic/a' },
  });
  const first = result.current;
  rerender({ to: '/topic/a' });
  expect(result.current).toBe(first);
  rerender({ to: '/topic/b' });
  act(() => void result.current(1));
  expect(fake.pendingCalls[0]!.destination).toBe('/topic/b');
});

test('a publish continues after the component is unmounted', async () => {
  const fake = new FakeClient();
  const { result, unmount } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  let published!: Promise<void>;
  act(() => void (published = result.current.publish(1)));
  unmount();
  await fake.pendingCalls[0]!.succeed();
  await expect(published).resolves.toBeDefined();
});
