/** Publishes ten sample rows a second to /topic/data while it is switched on. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { RelayError } from 'stomp-relay-client';
import { usePublish } from 'stomp-relay-client/react';

const PAUSE_MS = 100;
/** Errors that pass when the connection is back. */
const PASSING = ['not-connected', 'connection-lost', 'closed', 'offline', 'timeout', 'aborted'];

export interface SampleData {
  readonly isOn: boolean;
  /** The error that switched it off. */
  readonly error: RelayError | undefined;
  readonly toggle: () => void;
}

export function useSampleData(): SampleData {
  const [isOn, setIsOn] = useState(false);
  const [error, setError] = useState<RelayError>();
  const row = useRef<Row>({ price: 100, load: 0.4, temperature: 20 });
  const { publish } = usePublish('/topic/data');

  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => {
      row.current = next(row.current);
      // `queue: false`: a row that cannot be sent now is useless later
      publish(row.current, { queue: false }).catch((error: unknown) => {
        if (!(error instanceof RelayError) || PASSING.includes(error.code)) return;
        setError(error);
        setIsOn(false);
      });
    }, PAUSE_MS);
    return () => clearInterval(timer);
  }, [isOn, publish]);

  const toggle = useCallback(() => {
    setError(undefined);
    setIsOn((wasOn) => !wasOn);
  }, []);
  return { isOn, error, toggle };
}

type Row = Record<'price' | 'load' | 'temperature', number>;

function next({ price, load }: Row): Row {
  return {
    price: round(price + (Math.random() - 0.5) * 0.8),
    load: round(Math.min(1, Math.max(0, load + (Math.random() - 0.5) * 0.12))),
    temperature: round(20 + 4 * Math.sin(Date.now() / 4_000) + Math.random() * 0.3),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
