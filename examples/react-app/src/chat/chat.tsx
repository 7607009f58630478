/** A chat between everybody who has this page open, on whatever relay; and `@name` for one of them alone. */
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
  /** What was chosen here and not in the console: the focus goes with it, as the button that was pressed is gone. */
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
