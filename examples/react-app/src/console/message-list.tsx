import { memo, useId } from 'react';
import { formatCount, formatTime } from '../ui/format.js';
import type { LogEntry, MessageLog } from './use-message-log.js';

/** The console's messages, newest first. They are shown as text, never as markup. */
export function MessageList({ log: { entries, count, clear } }: { readonly log: MessageLog }) {
  const id = useId();
  return (
    <>
      <div className="card-title">
        <h3 id={id}>Messages</h3>
        <span className="count">{formatCount(count)}</span>
        <button type="button" className="plain" onClick={clear}>
          Clear
        </button>
      </div>
      {entries.length === 0 && <p className="empty">Subscribe to a destination. Its messages appear here.</p>}
      <div className="messages" role="log" aria-live="off" aria-labelledby={id} tabIndex={0}>
        <ol>
          {entries.map((entry) => (
            <Entry key={entry.number} entry={entry} />
          ))}
        </ol>
      </div>
    </>
  );
}

const Entry = memo(function Entry({ entry }: { readonly entry: LogEntry }) {
  const { at, destination, user, body } = entry;
  return (
    <li>
      <p className="facts">
        <time dateTime={new Date(at).toISOString()}>{formatTime(at)}</time>
        <span>{destination}</span>
        {user !== undefined && <span>{user}</span>}
      </p>
      <p className="body">{body}</p>
    </li>
  );
});
