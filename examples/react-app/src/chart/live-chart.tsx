/**
 * A live chart of /topic/data. Each row goes into a series outside of React (`useSubscription`), which the lanes draw
 * once per frame. React renders the figures four times a second, and the latest row (`useLatest`) at most once per
 * frame. So a thousand rows a second move as smoothly as ten. A relay with a history of the topic (`examples/demo.yaml`)
 * delivers the rows that were missed without a connection.
 */
import { useState } from 'react';
import { useLatest, useSubscription } from 'stomp-relay-client/react';
import { Card } from '../ui/card.js';
import { ErrorNote } from '../ui/error-note.js';
import { formatCount } from '../ui/format.js';
import { useClock } from '../ui/use-clock.js';
import { Lane } from './lane.js';
import { NoData } from './no-data.js';
import { Series } from './series.js';
import { useSampleData } from './use-sample-data.js';

const FIGURES_MS = 250;
const ROW_SHOWN_MAX = 400;

export function LiveChart() {
  const [series] = useState(() => new Series());
  const subscription = useSubscription('/topic/data', ({ data, headers }) => {
    if (headers['relay-replayed'] === 'true') series.addMissed(data, Date.now());
    else series.add(data, Date.now());
  });
  const samples = useSampleData();
  const now = useClock(FIGURES_MS);
  const lanes = series.lanes(now);
  const hasRows = series.count > 0;

  return (
    <Card
      title="Live data"
      aside={
        hasRows && (
          <button
            type="button"
            role="switch"
            aria-checked={samples.isOn}
            className="switch"
            onClick={samples.toggle}
            autoFocus={samples.isOn} // it replaces the button that was clicked
          >
            Sample data from this tab
          </button>
        )
      }
    >
      <p className="figures">
        <code>/topic/data</code>
        <span>
          <b data-testid="rate">{formatCount(Math.round(series.rate(now)))}</b> messages/s
        </span>
        <span>
          <b data-testid="count">{formatCount(series.count)}</b> received
        </span>
      </p>
      {subscription.name === 'refused' && <ErrorNote error={subscription.error} />}
      {samples.error && <ErrorNote error={samples.error} />}
      {hasRows ? (
        <>
          <ul className="lanes" aria-label="Fields">
            {lanes.map((lane, index) => (
              <Lane key={lane.field} series={series} lane={lane} tone={index} />
            ))}
          </ul>
          {lanes.length > 0 ? (
            <p className="axis" aria-hidden="true">
              <span>30 s ago</span>
              <span>now</span>
            </p>
          ) : (
            <p className="empty">The messages have no numbers to draw.</p>
          )}
        </>
      ) : (
        <NoData
          isSubscribed={subscription.name === 'subscribed'}
          isPublishing={samples.isOn}
          onPublish={samples.toggle}
        />
      )}
      <LatestRow />
    </Card>
  );
}

/** A separate component: it renders up to once per frame, and the lanes need not. */
function LatestRow() {
  const { message } = useLatest('/topic/data');
  if (message === undefined) return null;
  return (
    <p className="latest">
      <span>Latest row</span> <code>{message.body.slice(0, ROW_SHOWN_MAX)}</code>
    </p>
  );
}
