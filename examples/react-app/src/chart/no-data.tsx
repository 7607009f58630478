/** What to do while nobody publishes. It waits a moment before it says so: data may be on its way. */
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
  const [isQuiet, setIsQuiet] = useState(false);

  useEffect(() => {
    if (!isSubscribed) return;
    const timer = setTimeout(() => setIsQuiet(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isSubscribed]);

  if (!isQuiet || isPublishing) return <p className="empty">Waiting for the first row…</p>;
  return (
    <div className="empty">
      <p className="empty-title">Nobody publishes to /topic/data yet.</p>
      <button type="button" className="primary large" onClick={onPublish}>
        Publish sample data from this tab
      </button>
      <p>Ten rows a second, to everybody who looks at this page, until you switch it off. A back end does it so:</p>
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
