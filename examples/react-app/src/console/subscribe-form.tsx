/** Each subscription is a component: mounting subscribes, and unmounting unsubscribes. */
import { useId, useState } from 'react';
import type { FormEvent } from 'react';
import type { RawMessage } from 'stomp-relay-client';
import { SubscriptionChip } from './subscription-chip.js';

interface SubscribeFormProps {
  readonly onMessage: (message: RawMessage) => void;
  readonly onError: (error: Error) => void;
}

export function SubscribeForm({ onMessage, onError }: SubscribeFormProps) {
  const [destinations, setDestinations] = useState<readonly string[]>([]);
  const [destination, setDestination] = useState('/topic/data');
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setDestinations([...new Set([...destinations, destination.trim()])]);
  };
  const remove = (removed: string): void => setDestinations((all) => all.filter((each) => each !== removed));

  return (
    <form onSubmit={submit} aria-label="Subscribe">
      <h3>Subscribe</h3>
      <label htmlFor={id}>Destination</label>
      <p className="inline">
        <input
          id={id}
          value={destination}
          onChange={(event) => setDestination(event.target.value)}
          required
          spellCheck={false}
          autoComplete="off"
        />
        <button className="secondary">Subscribe</button>
      </p>
      <ul className="chips" aria-label="Subscriptions">
        {destinations.map((each) => (
          <SubscriptionChip
            key={each}
            destination={each}
            onMessage={onMessage}
            onRefused={(error) => {
              remove(each);
              onError(error);
            }}
            onRemove={() => remove(each)}
          />
        ))}
      </ul>
    </form>
  );
}
