/** @jest-environment jsdom */
import { expect, test } from '@jest/globals';
import { renderHook } from '@testing-library/react';
import { RelayError } from 'stomp-relay-client';
import { useConnection } from 'stomp-relay-client/react';
import { FakeClient, within } from './fake-client.js';

test('returns the state object of the client, and renders once for each state', () => {
  const fake = new FakeClient();
  let renders = 0;
  const { result } = renderHook(() => (renders++, useConnection()), { wrapper: within(fake) });
  expect(result.current).toEqual({ name: 'idle' });
  const waiting = {
    name: 'waiting',
    attempt: 1,
    retryAt: 5,
    reason: new RelayError('connection-lost', 'Gone.'),
  } as const;
  fake.setState(waiting);
  expect(result.current).toBe(waiting);
  fake.setState({ name: 'connected' });
  expect(result.current.name).toBe('connected');
  expect(renders).toBe(3);
});

test('removes its listener when it is unmounted', () => {
  const fake = new FakeClient();
  const { unmount } = renderHook(() => useConnection(), { wrapper: within(fake) });
  expect(fake.listeners.size).toBe(1);
  unmount();
  expect(fake.listeners.size).toBe(0);
});
