/** A chat between all users with this page open, on any relay; `@name` addresses one of them. */
import { useState } from 'react';
import { useSession } from '../connection/session.js';
import { Card } from '../ui/card.js';
import { ChatRoom } from './chat-room.js';
import { NameForm } from './name-form.js';

export function Chat() {
  const { settings, connectWith } = useSession();
  const { login, secret } = settings;
  const isLoggedIn = login !== '' || secret !== '';
  const name = login === '' ? 'you' : login;
  /** The login chosen here, not in the console. Only then the focus moves, because the pressed button disappears. */
  const [chosen, setChosen] = useState<string>();
  const enter = (login: string): void => {
    setChosen(login);
    connectWith({ login });
  };
  const leave = (): void => {
    setChosen('');
    connectWith({ login: '', secret: '' });
  };

  return (
    <Card
      title="Chat"
      className="chat"
      aside={
        isLoggedIn && (
          <p className="who">
            as <b>{name}</b>
            <button type="button" className="plain" onClick={leave}>
              Leave
            </button>
          </p>
        )
      }
    >
      {isLoggedIn ? (
        <ChatRoom key={name} name={name} autoFocus={chosen === login} />
      ) : (
        <NameForm onName={enter} autoFocus={chosen === ''} />
      )}
    </Card>
  );
}
