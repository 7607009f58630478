import { LiveChart } from './chart/live-chart.js';
import { Chat } from './chat/chat.js';
import { Chatbot } from './chatbot/chatbot.js';
import { ConnectionBadge } from './connection/connection-badge.js';
import { Session } from './connection/session.js';
import { Console } from './console/console.js';

/** Each part has its own folder, and uses the client through hooks only. */
export function App({ path }: { readonly path: string }) {
  return (
    <Session path={path}>
      <header className="bar">
        <img src="./icon.svg" alt="" width="28" height="28" />
        <h1>stomp-relay</h1>
        <ConnectionBadge />
      </header>
      <main>
        <LiveChart />
        <Chat />
        <Chatbot />
        <Console />
      </main>
    </Session>
  );
}
