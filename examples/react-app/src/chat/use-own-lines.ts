/** The lines from this tab: shown at once, marked when the broker has confirmed them. */
import { useCallback, useState } from 'react';
import { RelayError } from 'stomp-relay-client';
import { usePublish } from 'stomp-relay-client/react';
import { newId } from '../ui/new-id.js';
import { parseInput } from './chat-line.js';
import type { ChatLine } from './chat-line.js';

const KEPT_MAX = 100;

export function useOwnLines(name: string): { lines: readonly ChatLine[]; send: (input: string) => void } {
  const [lines, setLines] = useState<readonly ChatLine[]>([]);
  const { publish } = usePublish();

  const send = useCallback(
    (input: string) => {
      const line: ChatLine = { ...parseInput(input), id: newId(), at: Date.now(), from: name, sending: 'sending' };
      const settle = (sending: 'confirmed' | Error): void =>
        setLines((all) => all.map((each) => (each.id === line.id ? { ...each, sending } : each)));

      setLines((all) => [...all.slice(1 - KEPT_MAX), line]);
      publishLine(line).then(
        () => settle('confirmed'),
        (error: Error) => settle(error),
      );

      function publishLine({ id, to, text }: ChatLine): Promise<void> {
        if (to === undefined) return publish('/topic/chat', text, { id });
        // `mandatory`: the relay refuses the message if no user of that name is connected
        return publish(`/user/${encodeURIComponent(to)}/queue/chat`, text, { id, headers: { mandatory: 'true' } });
      }
    },
    [publish, name],
  );
  return { lines, send };
}

/** The reason why a line was not sent, as a sentence. */
export function failureOf({ to }: ChatLine, error: Error): string {
  const isMissingUser = error instanceof RelayError && error.code === 'unroutable';
  return isMissingUser ? `No user named ${to} is here.` : error.message;
}
