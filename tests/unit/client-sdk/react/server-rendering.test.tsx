/** Rendering on a server: no window, no effects, and no state left behind. The browser hydrates the result. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { renderToString } from 'react-dom/server';
import {
  RelayProvider,
  useConnection,
  useLatest,
  useMessages,
  usePublish,
  useRequest,
  useSubscription,
} from 'stomp-relay-client/react';
import { asClient, FakeClient } from './fake-client.js';

const consoleErrors = jest.spyOn(console, 'error');
afterEach(() => expect(consoleErrors).not.toHaveBeenCalled());

function Page() {
  const latest = useLatest('/topic/data', { initial: 'none' });
  const { messages } = useMessages('/topic/chat');
  const alerts = useSubscription('/topic/alerts', () => {});
  const skipped = useLatest(null);
  const { isPublishing } = usePublish('/topic/chat');
  const { isPending } = useRequest('/queue/sums');
  const words = [
    useConnection().name,
    latest.data,
    latest.state.name,
    messages.length,
    alerts.name,
    skipped.state.name,
    isPublishing,
    isPending,
  ];
  return <p>{words.join(' ')}</p>;
}

test('renders the state before the first message, and calls nothing of the client', () => {
  expect(typeof window).toBe('undefined');
  const fake = new FakeClient();
  fake.state = { name: 'connected' }; // the server must not render the state of its own client
  const html = renderToString(
    <RelayProvider client={asClient(fake)}>
      <Page />
    </RelayProvider>,
  );
  expect(html).toBe('<p>idle none subscribing 0 subscribing idle false false</p>');
  expect([fake.calls, fake.all, fake.listeners.size]).toEqual([[], [], 0]);
});

test('is marked for frameworks that separate server components from client components', () => {
  const entry = path.resolve(import.meta.dirname, '../../../../client-sdk/src/react/index.ts');
  expect(readFileSync(entry, 'utf8')).toMatch(/^'use client';\n/);
});
