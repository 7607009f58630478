import { useEffect, useState } from 'react';

/** The time (epoch ms), again every `everyMs`. */
export function useClock(everyMs: number): number {
  const [now, setNow] = useState(Date.now);

  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);

  return now;
}
