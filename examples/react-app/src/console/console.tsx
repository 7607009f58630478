/**
 * Manual access to the relay: connect as any user, subscribe to any destination, send to any destination, and read the
 * messages.
 */
import { useState } from 'react';
import { Card } from '../ui/card.js';
import { ErrorNote } from '../ui/error-note.js';
import { ConnectForm } from './connect-form.js';
import { MessageList } from './message-list.js';
import { SendForm } from './send-form.js';
import { SubscribeForm } from './subscribe-form.js';
import { useMessageLog } from './use-message-log.js';

export function Console() {
  const log = useMessageLog();
  const [error, setError] = useState<Error>();

  return (
    <Card title="Console" className="console">
      <div className="controls">
        <ConnectForm />
        <SubscribeForm onMessage={log.add} onError={setError} />
        <SendForm onError={setError} />
      </div>
      <div className="received">
        {error && <ErrorNote error={error} onDismiss={() => setError(undefined)} />}
        <MessageList log={log} />
      </div>
    </Card>
  );
}
