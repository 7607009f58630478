import { useId, useMemo, useRef, useState } from 'react';
import type { FormEvent } from 'react';
import { useMessages } from 'stomp-relay-client/react';
import { ErrorNote } from '../ui/error-note.js';
import { formatTime } from '../ui/format.js';
import { useStickToEnd } from '../ui/use-stick-to-end.js';
import { mergeLines, privateLine, roomLine } from './chat-line.js';
import type { ChatLine } from './chat-line.js';
import { failureOf, useOwnLines } from './use-own-lines.js';

const SHOWN_MAX = 200;

interface ChatRoomProps {
  readonly name: string;
  readonly autoFocus: boolean;
}

export function ChatRoom({ name, autoFocus }: ChatRoomProps) {
  const room = useMessages('/topic/chat', { limit: SHOWN_MAX, select: roomLine });
  const privately = useMessages('/user/queue/chat', { limit: SHOWN_MAX, select: privateLine });
  const ownLines = useOwnLines(name);
  const lines = useMemo(
    () => mergeLines(ownLines.lines, room.messages, privately.messages),
    [ownLines.lines, room.messages, privately.messages],
  );
  const error = room.error ?? privately.error;
  const log = useStickToEnd<HTMLDivElement>(lines);
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const id = useId();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== '') ownLines.send(text);
    setText('');
  };
  const addressTo = (user: string): void => {
    setText(`@${user} `);
    input.current?.focus();
  };

  return (
    <>
      {error && <ErrorNote error={error} />}
      <div {...log} className="log" role="log" aria-label="Chat" tabIndex={0}>
        <ol>
          {lines.map((line) => (
            <Line key={line.id} line={line} onName={addressTo} />
          ))}
        </ol>
      </div>
      {lines.length === 0 && <p className="hint">No messages since you joined.</p>}
      <form className="inline" onSubmit={submit}>
        <label htmlFor={id} className="unseen">
          Message
        </label>
        <input
          id={id}
          ref={input}
          value={text}
          onChange={(event) => setText(event.target.value)}
          placeholder="Message, or @name message"
          autoComplete="off"
          autoFocus={autoFocus}
        />
        <button className="primary">Send</button>
      </form>
    </>
  );
}

interface LineProps {
  readonly line: ChatLine;
  readonly onName: (name: string) => void;
}

function Line({ line, onName }: LineProps) {
  const { at, from, to, text, sending } = line;
  return (
    <li className="line" data-own={sending !== undefined} data-private={to !== undefined}>
      <p className="facts">
        {sending === undefined ? (
          <button type="button" className="name" onClick={() => onName(from)} title={`Write to ${from} only`}>
            {from}
          </button>
        ) : (
          <b className="name">{from}</b>
        )}
        {to !== undefined && <span className="to">to {to}</span>}
        <time dateTime={new Date(at).toISOString()}>{formatTime(at)}</time>
        {sending === 'sending' && <span>sending…</span>}
        {sending === 'confirmed' && (
          <span className="good" title="The broker has confirmed it">
            ✓ confirmed
          </span>
        )}
      </p>
      <p className="body">{text}</p>
      {sending instanceof Error && <p className="bad">Not sent: {failureOf(line, sending)}</p>}
    </li>
  );
}
