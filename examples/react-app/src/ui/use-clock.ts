import { useEffect, useState } from 'react';

/** The time (epoch ms), again every `everyMs`; it stands still where that is null. */
export function useClock(everyMs: number | null): number {
  const [now, setNow] = useState(Date.now);

  useEffect(() => {
    if (everyMs === null) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);

  return now;
}
