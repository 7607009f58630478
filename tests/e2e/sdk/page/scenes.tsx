/** React content for the tests, and counts of its renderings. */
import { Fragment, StrictMode } from 'react';
import type { ReactNode } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import type { Client } from 'stomp-relay-client';
import { RelayProvider, useLatest, useMessages, useSubscription } from 'stomp-relay-client/react';

let root: Root | undefined;

export function show(content: ReactNode): void {
  root ??= createRoot(document.getElementById('root')!);
  root.render(content);
}

/** Unmounts everything. */
export function clear(): void {
  root?.unmount();
  root = undefined;
}

/** Like a new application in development: StrictMode mounts everything twice. Two components for each destination. */
export function strict(client: Client, destinations: readonly string[]): ReactNode {
  return (
    <StrictMode>
      <RelayProvider client={client}>
        {destinations.map((destination) => (
          <Fragment key={destination}>
            <List destination={destination} />
            <List destination={destination} />
          </Fragment>
        ))}
      </RelayProvider>
    </StrictMode>
  );
}

/** Renderings and messages since the page was loaded. */
export const counts = { renders: 0, messages: 0 };

export function busy(client: Client, destination: string): ReactNode {
  return (
    <RelayProvider client={client}>
      <Busy destination={destination} />
    </RelayProvider>
  );
}

/** Mounts and unmounts all subscribing hooks, once for each destination. */
export function flicker(client: Client, destinations: readonly string[]): void {
  const content = (children?: ReactNode): ReactNode => <RelayProvider client={client}>{children}</RelayProvider>;
  for (const destination of destinations) {
    flushSync(() => show(content(<All destination={destination} />)));
    flushSync(() => show(content()));
  }
}

interface Place {
  readonly destination: string;
}

function List({ destination }: Place) {
  const { messages } = useMessages(destination);
  return <p>{messages.join(' ')}</p>;
}

function Busy({ destination }: Place) {
  const { messages } = useMessages(destination, { limit: 100 });
  const { data } = useLatest(destination);
  useSubscription(destination, () => void counts.messages++);
  counts.renders++;
  return (
    <p>
      {JSON.stringify(data)} is the latest of {messages.length}.
    </p>
  );
}

function All({ destination }: Place) {
  useMessages(destination);
  useLatest(destination);
  useSubscription(destination, () => undefined);
  return <p onClick={() => undefined}>{destination}</p>;
}
