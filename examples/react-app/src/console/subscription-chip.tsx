import type { RawMessage } from 'stomp-relay-client';
import { useSubscription } from 'stomp-relay-client/react';
import { typedIn } from '../destinations.js';

interface SubscriptionChipProps {
  readonly destination: string;
  readonly onMessage: (message: RawMessage) => void;
  readonly onRefused: (error: Error) => void;
  readonly onRemove: () => void;
}

/** One subscription of the console; it lasts as long as this component is mounted. */
export function SubscriptionChip({ destination, onMessage, onRefused, onRemove }: SubscriptionChipProps) {
  // Bodies are shown undecoded, so that none is malformed
  const state = useSubscription(typedIn(destination), onMessage, { decode: () => undefined, onError: onRefused });

  return (
    <li data-ready={state.name === 'subscribed'}>
      {destination}
      <button type="button" className="plain" onClick={onRemove} aria-label={`Unsubscribe from ${destination}`}>
        ✕
      </button>
    </li>
  );
}
