/** What this tab has said: shown at once, confirmed when the broker has it. */
import { useCallback, useState } from 'react';
import { RelayError } from 'stomp-relay-client';
import { usePublish } from 'stomp-relay-client/react';
import { newId } from '../ui/new-id.js';
import { parseInput } from './chat-line.js';
import type { ChatLine } from './chat-line.js';

const KEPT_MAX = 100;

export function useOwnLines(name: string): { lines: readonly ChatLine[]; say: (input: string) => void } {
  const [lines, setLines] = useState<readonly ChatLine[]>([]);
  const { publish } = usePublish();

  const say = useCallback(
    (input: string) => {
      const line: ChatLine = { ...parseInput(input), id: newId(), at: Date.now(), from: name, sending: 'sending' };
      const settle = (sending: 'confirmed' | Error): void =>
        setLines((all) => all.map((each) => (each.id === line.id ? { ...each, sending } : each)));

      setLines((all) => [...all.slice(1 - KEPT_MAX), line]);
      send(line).then(
        () => settle('confirmed'),
        (error: Error) => settle(error),
      );

      function send({ id, to, text }: ChatLine): Promise<void> {
        if (to === undefined) return publish('/topic/chat', text, { id });
        // `mandatory`: not confirmed, but refused, where nobody of that name is there
        return publish(`/user/${encodeURIComponent(to)}/queue/chat`, text, { id, headers: { mandatory: 'true' } });
      }
    },
    [publish, name],
  );
  return { lines, say };
}

/** Why a line was not sent, for people. */
export function failureOf({ to }: ChatLine, error: Error): string {
  const isNobody = error instanceof RelayError && error.code === 'unroutable';
  return isNobody ? `Nobody called ${to} is here.` : error.message;
}
