/** Connects as another user, or to another relay. */
import { useState } from 'react';
import type { ChangeEvent, FormEvent } from 'react';
import { useSession } from '../connection/session.js';
import type { Settings } from '../connection/session.js';

export function ConnectForm() {
  const { settings, connectWith } = useSession();
  const [edited, setEdited] = useState<Partial<Settings>>({});
  const { url, login, secret } = { ...settings, ...edited };
  const edit = (event: ChangeEvent<HTMLInputElement>): void =>
    setEdited({ ...edited, [event.target.name]: event.target.value });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    connectWith({ url: url.trim(), login: login.trim(), secret });
    setEdited({});
  };

  return (
    <form onSubmit={submit} aria-label="Connection">
      <h3>Connection</h3>
      <label>
        WebSocket URL
        <input name="url" value={url} onChange={edit} required spellCheck={false} autoComplete="off" />
      </label>
      <div className="pair">
        <label>
          Login
          <input name="login" value={login} onChange={edit} autoComplete="username" spellCheck={false} />
        </label>
        <label>
          Passcode or token
          <input name="secret" type="password" value={secret} onChange={edit} autoComplete="current-password" />
        </label>
      </div>
      <button className="secondary">Connect with these settings</button>
    </form>
  );
}
