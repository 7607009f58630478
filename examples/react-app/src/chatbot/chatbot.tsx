/** A conversation with examples/chatbot: answers arrive word by word, and can be stopped. */
import { useEffect, useId, useState } from 'react';
import type { FormEvent, MouseEvent } from 'react';
import { useSession } from '../connection/session.js';
import { Card } from '../ui/card.js';
import { CommandLine } from '../ui/command-line.js';
import { ErrorNote } from '../ui/error-note.js';
import { useStickToEnd } from '../ui/use-stick-to-end.js';
import { useChatbot } from './use-chatbot.js';
import type { Turn } from './use-chatbot.js';

const PATIENCE_MS = 3_000;
/** The limit of the service. */
const QUESTION_MAX = 2_000;

export function Chatbot() {
  const { turns, current, error, ask, stop } = useChatbot();
  const log = useStickToEnd<HTMLDivElement>(turns);
  const [question, setQuestion] = useState('');
  const id = useId();

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (question.trim() === '') return;
    ask(question.trim());
    setQuestion('');
  };
  const stopHere = (event: MouseEvent): void => {
    event.preventDefault(); // React has made it the Ask button by then, which must not submit a half-written question
    if (event.detail < 2) stop(); // the second click of a double click on Ask
  };

  return (
    <Card title="Chatbot" className="chat">
      {error && <ErrorNote error={error} />}
      <div {...log} className="log" role="log" aria-label="Chatbot" tabIndex={0} aria-busy={current !== undefined}>
        <ol>
          {turns.map((turn) => (
            <TurnItem key={turn.id} turn={turn} />
          ))}
        </ol>
      </div>
      {turns.length === 0 && <p className="hint">A separate service answers here, word by word. Ask it anything.</p>}
      {current?.part === 0 && <StartHint key={current.id} />}
      <form className="inline" onSubmit={submit}>
        <label htmlFor={id} className="unseen">
          Question
        </label>
        <input
          id={id}
          value={question}
          onChange={(event) => setQuestion(event.target.value)}
          maxLength={QUESTION_MAX}
          placeholder="How are you today?"
          autoComplete="off"
        />
        {current ? (
          <button type="button" className="secondary" onClick={stopHere}>
            Stop
          </button>
        ) : (
          <button className="primary">Ask</button>
        )}
      </form>
    </Card>
  );
}

function TurnItem({ turn: { question, answer, outcome } }: { readonly turn: Turn }) {
  return (
    <li className="turn">
      <p className="question">{question}</p>
      <p className="answer" data-going={outcome === undefined}>
        {answer}
      </p>
      {outcome === 'stopped' && <p className="hint">Stopped.</p>}
      {outcome === 'lost' && <p className="hint">The connection was lost during the answer. Ask again.</p>}
      {outcome instanceof Error && <p className="bad">{outcome.message}</p>}
    </li>
  );
}

/** Shown after a while without an answer: the service may not be running. */
function StartHint() {
  const { url } = useSession().settings;
  const [isSlow, setIsSlow] = useState(false);

  useEffect(() => {
    const timer = setTimeout(() => setIsSlow(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);

  if (!isSlow) return null;
  return (
    <div className="note" role="status">
      <p>No answer yet. Is the service running? Your question waits in its queue.</p>
      <CommandLine label="Start the chatbot" command={`node examples/chatbot/main.js ${url}`} />
    </div>
  );
}
