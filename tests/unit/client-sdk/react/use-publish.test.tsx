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
  expect(fake.asked).toMatchObject([
    { destination: '/topic/chat', data: { text: 'Hi' }, options: { headers: { a: 'b' } } },
  ]);
  expect(result.current.isPublishing).toBe(true);
  expect(isConfirmed).toBe(false);
  await fake.asked[0]!.succeed();
  expect(isConfirmed).toBe(true);
  expect(result.current).toMatchObject({ isPublishing: false, error: undefined });
});

test('publishes to any destination where it has none', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish(), { wrapper: within(fake) });
  act(() => void result.current.publish('/topic/other', 1, { id: 'x' }));
  expect(fake.asked).toMatchObject([{ destination: '/topic/other', data: 1, options: { id: 'x' } }]);
  await fake.asked[0]!.succeed();
});

test('is publishing until the last one is confirmed', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  act(() => {
    void result.current.publish(1);
    void result.current.publish(2);
  });
  await fake.asked[1]!.succeed();
  expect(result.current.isPublishing).toBe(true);
  await fake.asked[0]!.succeed();
  expect(result.current.isPublishing).toBe(false);
});

test('shows why one failed until the next is published, and rejects for whoever waits', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  let published!: Promise<void>;
  act(() => void (published = result.current.publish(1)));
  await fake.asked[0]!.fail(refused);
  expect(result.current).toMatchObject({ isPublishing: false, error: refused });
  await expect(published).rejects.toBe(refused);
  act(() => void result.current.publish(2));
  expect(result.current).toMatchObject({ isPublishing: true, error: undefined });
  await fake.asked[1]!.succeed();
  expect(result.current.error).toBeUndefined();
});

test('the failure of one stays shown while others succeed that were published before it failed', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  act(() => {
    void result.current.publish(1);
    void result.current.publish(2);
  });
  await fake.asked[0]!.fail(refused);
  await fake.asked[1]!.succeed();
  expect(result.current).toMatchObject({ isPublishing: false, error: refused });
});

test('a failure that nobody waits for is nobody’s unhandled rejection', async () => {
  const fake = new FakeClient();
  const { result } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  const unhandled: unknown[] = [];
  const listen = (reason: unknown) => unhandled.push(reason);
  process.on('unhandledRejection', listen);
  act(() => void result.current.publish(1));
  await fake.asked[0]!.fail(refused);
  await new Promise((resolve) => setTimeout(resolve)); // Node tells of them at the end of the turn
  process.off('unhandledRejection', listen);
  expect(unhandled).toEqual([]);
});

test('`publish` is the same function until the destination is another one', () => {
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
  expect(fake.asked[0]!.destination).toBe('/topic/b');
});

test('goes on when the component has gone', async () => {
  const fake = new FakeClient();
  const { result, unmount } = renderHook(() => usePublish('/topic/chat'), { wrapper: within(fake) });
  let published!: Promise<void>;
  act(() => void (published = result.current.publish(1)));
  unmount();
  await fake.asked[0]!.succeed();
  await expect(published).resolves.toBeDefined();
});
