/**
 * The client side of examples/chatbot. A question goes to the queue that all instances of the service share. The answer
 * arrives in numbered parts, only at this session; the last part has the outcome. Parts may arrive twice, because
 * another instance answers from part 1 again when an instance dies. The numbers reveal repetitions.
 */
import { useCallback, useEffect, useState } from 'react';
import type { RawMessage } from 'stomp-relay-client';
import { useClient, usePublish, useSubscription } from 'stomp-relay-client/react';
import { newId } from '../ui/new-id.js';

const TURNS_MAX = 50;

export interface Turn {
  readonly id: string;
  readonly question: string;
  /** The broker has confirmed the question. */
  readonly isAsked: boolean;
  readonly answer: string;
  /** The number of the last part. */
  readonly part: number;
  /** Undefined while the answer continues. `lost`: parts were lost with the connection. */
  readonly outcome?: 'answered' | 'stopped' | 'refused' | 'lost' | Error;
}

export interface ChatbotTurns {
  readonly turns: readonly Turn[];
  /** The turn whose answer continues. */
  readonly current: Turn | undefined;
  /** The error of a refused subscription to the answers. */
  readonly error: Error | undefined;
  readonly ask: (question: string) => void;
  readonly stop: () => void;
}

export function useChatbot(): ChatbotTurns {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const client = useClient();
  const { publish } = usePublish();
  const current = turns.find(({ outcome }) => outcome === undefined);
  const change = useCallback((id: string, changes: Partial<Turn>) => {
    setTurns((all) => all.map((turn) => (turn.id === id ? { ...turn, ...changes } : turn)));
  }, []);

  const subscription = useSubscription(
    '/user/queue/replies',
    (message) => setTurns((all) => all.map((turn) => withPart(turn, message))),
    { onRestored: () => setTurns((all) => all.map(lost)) },
  );
  useEffect(() => () => setTurns((all) => all.map(lost)), [client]);

  const ask = (question: string): void => {
    const id = newId();
    setTurns((all) => [...all.slice(1 - TURNS_MAX), { id, question, isAsked: false, answer: '', part: 0 }]);
    publish('/queue/chatbot', question, { headers: { 'correlation-id': id } }).then(
      () => change(id, { isAsked: true }),
      (error: Error) => change(id, { outcome: error }),
    );
  };
  const stop = (): void => {
    if (current === undefined) return;
    change(current.id, { outcome: 'stopped' }); // shown at once, because the service may not be running
    publish('/topic/chatbot.stop', '', { headers: { 'correlation-id': current.id } }).catch(() => {});
  };
  return { turns, current, ask, stop, error: subscription.name === 'refused' ? subscription.error : undefined };
}

/**
 * The service answers the session that asked, and that session has ended. Questions that were not sent yet still go
 * out.
 */
function lost(turn: Turn): Turn {
  return turn.outcome === undefined && turn.isAsked ? { ...turn, outcome: 'lost' } : turn;
}

function withPart(turn: Turn, { headers, body }: RawMessage): Turn {
  const part = Number(headers['part']);
  if (headers['correlation-id'] !== turn.id || turn.outcome !== undefined || !(part > turn.part)) return turn;
  const answer = [turn.answer, body].filter((text) => text !== '').join(' ');
  const isFinal = headers['final'] === 'true';
  return {
    ...turn,
    part,
    answer,
    ...(isFinal && { outcome: headers['outcome'] as 'answered' | 'stopped' | 'refused' }),
  };
}
