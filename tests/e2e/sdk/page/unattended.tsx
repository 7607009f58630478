/**
 * A page without a debugger, since Chromium does not slow the timers of one that has one. It does by itself what its address
 * says, and tells the server that it came from: `?client=sdk&url=ws://...`, or `client=stompjs` for the client below the SDK
 * alone. Whatever comes from /topic/data it publishes to /topic/echo.
 */
import { Client as StompClient } from '@stomp/stompjs';
import { createRoot } from 'react-dom/client';
import { createClient } from 'stomp-relay-client';
import { RelayProvider, useMessages } from 'stomp-relay-client/react';

export interface HiddenReport {
  readonly name: string;
  readonly visibility: DocumentVisibilityState;
  /** Of an interval of 100 ms, since the page was shown or hidden the last time. */
  readonly ticks: number;
  /** What it shows, in the frame after. */
  readonly text: string;
}

const query = new URLSearchParams(location.search);
const [name, url] = [query.get('client') ?? '', query.get('url') ?? ''];
const HEART_BEAT_MS = 1_000;

if (name === 'sdk') startSdk();
else startStompjs();

function startSdk(): void {
  const client = createClient<Record<string, string>>({ url, heartBeatMs: HEART_BEAT_MS });
  client.subscribe('/topic/data', ({ data }) => void client.publish('/topic/echo', data));
  createRoot(document.getElementById('root')!).render(
    <RelayProvider client={client}>
      <List />
    </RelayProvider>,
  );
}

function List() {
  const { messages } = useMessages<string>('/topic/data');
  return messages.join(' ');
}

function startStompjs(): void {
  const heartbeats = { heartbeatIncoming: HEART_BEAT_MS, heartbeatOutgoing: HEART_BEAT_MS };
  new StompClient({ brokerURL: url, ...heartbeats, reconnectDelay: 0 }).activate();
}

let ticks = 0;
setInterval(() => ticks++, 100);

document.addEventListener('visibilitychange', () => {
  const seen = { name, visibility: document.visibilityState, ticks };
  ticks = 0;
  if (seen.visibility === 'hidden') report({ ...seen, text: '' });
  else requestAnimationFrame(() => requestAnimationFrame(() => report({ ...seen, text: document.body.innerText })));
});

function report(what: HiddenReport): void {
  void fetch('/report', { method: 'POST', body: JSON.stringify(what) });
}
