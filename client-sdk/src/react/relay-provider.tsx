/** Provides a tree of components with its client, and connects the client. */
import { createContext, useContext, useEffect } from 'react';
import type { ReactNode } from 'react';
import type { Client, RegisteredDestinations } from '../core/index.js';
import type { AnyClient } from './feed.js';
import { feedsOf } from './feeds.js';

const ClientContext = createContext<AnyClient | undefined>(undefined);

export interface RelayProviderProps<D extends object> {
  /** Create it once, outside of components (or in a state): another client is another connection. */
  readonly client: Client<D>;
  readonly children?: ReactNode;
}

/**
 * Connects the client while it is mounted, and closes the client 250 ms after the unmount. Does nothing on a server.
 * Several providers may share a client: the last one closes it.
 */
export function RelayProvider<D extends object>({ client, children }: RelayProviderProps<D>): ReactNode {
  const anyClient = client as unknown as AnyClient;
  useEffect(() => feedsOf(anyClient).connect(), [anyClient]);
  return <ClientContext.Provider value={anyClient}>{children}</ClientContext.Provider>;
}

/** The client of the nearest `RelayProvider`. Throws if there is none. */
export function useClient<D extends object = RegisteredDestinations>(): Client<D> {
  const client = useContext(ClientContext);
  if (!client) throw new Error('There is no <RelayProvider> around this component.');
  return client as unknown as Client<D>;
}
