/**
 * A page without a debugger, because Chromium does not throttle the timers of a page with one. The page's address
 * configures it: `?client=sdk&url=ws://...`, or `client=stompjs` for stompjs alone. It publishes each message from
 * /topic/data to /topic/echo, and reports to the server that it came from.
 */
import { Client as StompClient } from '@stomp/stompjs';
import { createRoot } from 'react-dom/client';
import { createClient } from 'stomp-relay-client';
import { RelayProvider, useMessages } from 'stomp-relay-client/react';

export interface HiddenReport {
  readonly name: string;
  readonly visibility: DocumentVisibilityState;
  /** Ticks of a 100 ms interval since the page was last shown or hidden. */
  readonly ticks: number;
  /** The text of the page in the next frame. */
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

function report(hiddenReport: HiddenReport): void {
  void fetch('/report', { method: 'POST', body: JSON.stringify(hiddenReport) });
}
