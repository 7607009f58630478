/** Shows how to publish data while there is none. It waits a moment first, because data may be on its way. */
import { useEffect, useState } from 'react';
import { useSession } from '../connection/session.js';
import { CommandLine } from '../ui/command-line.js';

const PATIENCE_MS = 2_000;
const SAMPLE = JSON.stringify({ destination: '/topic/data', json: { price: 101.2, load: 0.42 } });

interface NoDataProps {
  readonly isSubscribed: boolean;
  readonly isPublishing: boolean;
  readonly onPublish: () => void;
}

export function NoData({ isSubscribed, isPublishing, onPublish }: NoDataProps) {
  const { url } = useSession().settings;
  const [isOverdue, setIsOverdue] = useState(false);

  useEffect(() => {
    if (!isSubscribed) return;
    const timer = setTimeout(() => setIsOverdue(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isSubscribed]);

  if (!isOverdue || isPublishing) return <p className="empty">Waiting for the first row…</p>;
  return (
    <div className="empty">
      <p className="empty-title">There is no data on /topic/data yet.</p>
      <button type="button" className="primary large" onClick={onPublish}>
        Publish sample data from this tab
      </button>
      <p>
        The button sends ten rows a second to all open pages, until you switch it off. A back end publishes like this:
      </p>
      <CommandLine
        command={`curl ${location.origin}/api/messages -H 'Content-Type: application/json' -d '${SAMPLE}'`}
        label="Publish one row over HTTP"
      />
      <CommandLine
        command={`node examples/row-streamer/main.js --demo --loop --relay ${url}`}
        label="Publish rows from the PostgreSQL database at DATABASE_URL"
      />
    </div>
  );
}
