/** Asks for the user's name: the login, which the relay sets as the sender of all messages from this tab. */
import { useId, useState } from 'react';
import type { FormEvent } from 'react';
import { NAME_PATTERN, suggestName } from './names.js';

interface NameFormProps {
  readonly onName: (name: string) => void;
  readonly autoFocus: boolean;
}

export function NameForm({ onName, autoFocus }: NameFormProps) {
  const [name, setName] = useState(suggestName);
  const id = useId();
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    onName(name.trim());
  };

  return (
    <form className="name-form" onSubmit={submit}>
      <label htmlFor={id}>Your name</label>
      <p className="inline">
        <input
          id={id}
          value={name}
          onChange={(event) => setName(event.target.value)}
          required
          pattern={NAME_PATTERN}
          title="Up to 30 letters, digits, dots, hyphens and underscores"
          autoComplete="off"
          autoFocus={autoFocus}
          spellCheck={false}
        />
        <button className="primary">Join the chat</button>
      </p>
      <p className="hint">Open this page in a second tab, join under another name, and talk to yourself.</p>
    </form>
  );
}
