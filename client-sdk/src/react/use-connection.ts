import { useCallback, useSyncExternalStore } from 'react';
import type { ConnectionState } from '../core/index.js';
import { useClient } from './relay-provider.js';

const IDLE: ConnectionState = { name: 'idle' };

/**
 * The state of the client's connection: `name` is `idle`, `connecting`, `connected`, `waiting` (until `retryAt`, epoch
 * ms), `offline`, `refused` or `closed`; `reason` is a RelayError. Renders when the state changes. On a server: `idle`.
 */
export function useConnection(): ConnectionState {
  const client = useClient();
  const subscribe = useCallback((onChange: () => void) => client.onState(onChange), [client]);
  return useSyncExternalStore(
    subscribe,
    () => client.state,
    () => IDLE,
  );
}
