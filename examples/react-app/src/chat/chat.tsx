/** A chat between everybody who has this page open, on whatever relay; and `@name` for one of them alone. */
import { useSession } from '../connection/session.js';
import { Card } from '../ui/card.js';
import { ChatRoom } from './chat-room.js';
import { NameForm } from './name-form.js';

export function Chat() {
  const { settings, connectWith } = useSession();
  const { login, secret } = settings;
  const isLoggedIn = login !== '' || secret !== '';
  const name = login === '' ? 'you' : login;

  return (
    <Card
      title="Chat"
      className="chat"
      aside={
        isLoggedIn && (
          <p className="who">
            as <b>{name}</b>
            <button type="button" className="plain" onClick={() => connectWith({ login: '', secret: '' })}>
              Leave
            </button>
          </p>
        )
      }
    >
      {isLoggedIn ? <ChatRoom key={name} name={name} /> : <NameForm onName={(login) => connectWith({ login })} />}
    </Card>
  );
}
