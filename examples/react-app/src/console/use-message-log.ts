/**
 * The newest messages of several subscriptions in one list. They are collected outside of React and shown once per
 * frame, so a fast topic costs one rendering per frame, not hundreds. (For one destination `useMessages` does all of
 * this.)
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { RawMessage } from 'stomp-relay-client';

const KEPT_MAX = 200;
const BODY_SHOWN_MAX = 10_000;

export interface LogEntry {
  /** 1, 2, ... in the order of arrival. */
  readonly number: number;
  /** Epoch ms. */
  readonly at: number;
  readonly destination: string;
  readonly user: string | undefined;
  readonly body: string;
}

export interface MessageLog {
  /** Newest first. */
  readonly entries: readonly LogEntry[];
  /** Number of messages since the log was cleared, shown or not. */
  readonly count: number;
  readonly add: (message: RawMessage) => void;
  readonly clear: () => void;
}

export function useMessageLog(): MessageLog {
  const [snapshot, setSnapshot] = useState<{ entries: readonly LogEntry[]; count: number }>({ entries: [], count: 0 });
  const collected = useRef({ entries: [] as LogEntry[], count: 0, frame: 0 });

  const update = useCallback(() => {
    const { entries, count } = collected.current;
    collected.current.frame = 0;
    setSnapshot({ entries: [...entries], count });
  }, []);

  const add = useCallback(
    ({ destination, headers, body }: RawMessage) => {
      const log = collected.current;
      const number = ++log.count;
      log.entries.unshift({ number, at: Date.now(), destination, user: headers['user'], body: cut(body) });
      log.entries.length = Math.min(log.entries.length, KEPT_MAX);
      if (log.frame === 0) log.frame = requestAnimationFrame(update);
    },
    [update],
  );

  const clear = useCallback(() => {
    Object.assign(collected.current, { entries: [], count: 0 });
    update();
  }, [update]);

  useEffect(() => {
    const log = collected.current;
    return () => {
      cancelAnimationFrame(log.frame);
      log.frame = 0;
    };
  }, []);
  return { ...snapshot, add, clear };
}

function cut(body: string): string {
  return body.length <= BODY_SHOWN_MAX ? body : `${body.slice(0, BODY_SHOWN_MAX)}… (${body.length} characters)`;
}
