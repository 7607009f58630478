/** The state of the connection, its reason and the next attempt, with buttons for the user. */
import type { ConnectionState } from 'stomp-relay-client';
import { useClient, useConnection } from 'stomp-relay-client/react';
import { useClock } from '../ui/use-clock.js';

const LABELS: Readonly<Record<ConnectionState['name'], string>> = {
  idle: 'Not connected',
  connecting: 'Connecting…',
  connected: 'Connected',
  waiting: 'Connection lost',
  offline: 'No network',
  refused: 'Refused',
  closed: 'Not connected',
};

export function ConnectionBadge() {
  const state = useConnection();
  const client = useClient();
  // The state shows the outcome
  const connect = (): void => void client.connect().catch(() => {});
  const canTry = state.name === 'waiting' || state.name === 'offline' || state.name === 'refused';
  const isOver = state.name === 'idle' || state.name === 'closed' || state.name === 'refused';

  return (
    <div className="connection">
      <div className="status" role="status">
        <p className="badge" data-state={state.name}>
          {LABELS[state.name]}
        </p>
        {'reason' in state && state.reason && (
          <p className="reason">
            <strong>{state.reason.code}</strong> {state.reason.message}
            {'retryAt' in state && <Countdown until={state.retryAt} />}
          </p>
        )}
      </div>
      {canTry && (
        <button type="button" className="secondary" onClick={connect}>
          Try now
        </button>
      )}
      {isOver && !canTry && (
        <button type="button" className="secondary" onClick={connect}>
          Connect
        </button>
      )}
      {!isOver && (
        <button type="button" className="secondary" onClick={() => void client.close()}>
          Disconnect
        </button>
      )}
    </div>
  );
}

/** Hidden from screen readers, which would read it every second. */
function Countdown({ until }: { readonly until: number }) {
  const now = useClock(250);
  const seconds = Math.max(0, Math.ceil((until - now) / 1_000));
  return (
    <span className="countdown" aria-hidden="true">
      {seconds === 0 ? ' Trying again…' : ` Next attempt in ${seconds} s.`}
    </span>
  );
}
