import { useState } from 'react';
import type { FormEvent, KeyboardEvent } from 'react';
import { usePublish } from 'stomp-relay-client/react';
import { typedIn } from '../destinations.js';
import { formatTime } from '../ui/format.js';

/** Sends text to any destination, and shows the confirmation of the broker. */
export function SendForm({ onError }: { readonly onError: (error: Error) => void }) {
  const { publish, isPublishing } = usePublish();
  const [destination, setDestination] = useState('/topic/data');
  const [text, setText] = useState('Hello, world');
  const [confirmedAt, setConfirmedAt] = useState<number>();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    setConfirmedAt(undefined);
    publish(typedIn(destination), text).then(() => setConfirmedAt(Date.now()), onError);
  };
  const submitByKey = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit();
  };

  return (
    <form onSubmit={submit} aria-label="Send">
      <h3>Send</h3>
      <label>
        Destination
        <input
          value={destination}
          onChange={(event) => setDestination(event.target.value)}
          required
          spellCheck={false}
          autoComplete="off"
        />
      </label>
      <label>
        Text
        <textarea rows={3} value={text} onChange={(event) => setText(event.target.value)} onKeyDown={submitByKey} />
      </label>
      <p className="action">
        <button className="secondary">Send</button>
        <output className="good">
          {isPublishing
            ? 'Sending…'
            : confirmedAt !== undefined && `✓ Confirmed by the broker at ${formatTime(confirmedAt)}`}
        </output>
      </p>
    </form>
  );
}
