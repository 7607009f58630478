/** What is said in the chat, of whatever origin. */
import type { Message } from 'stomp-relay-client';

export interface ChatLine {
  /** The same for what was sent and what came back. */
  readonly id: string;
  /** Epoch ms, by this tab's clock. */
  readonly at: number;
  readonly from: string;
  /** Whom it is for; undefined: everybody. */
  readonly to?: string;
  readonly text: string;
  /** Of a line from this tab: how its sending goes. */
  readonly sending?: 'sending' | 'confirmed' | Error;
}

export function roomLine(_text: unknown, { headers, body }: Message): ChatLine {
  return {
    id: headers['idempotency-key'] ?? headers['message-id'] ?? '',
    at: Date.now(),
    // Written by the relay, which no client can forge: the body is only what somebody claims.
    from: headers['user'] ?? 'a back end',
    text: body, // whatever its type: nobody has to send what is declared
  };
}

export function privateLine(text: unknown, message: Message): ChatLine {
  return { ...roomLine(text, message), to: 'you' };
}

/** `@name text` is for one person. */
export function parseInput(input: string): { to?: string; text: string } {
  const [, to, text] = /^@(\S+)\s+(\S.*)$/s.exec(input.trim()) ?? [];
  return to !== undefined && text !== undefined ? { to, text } : { text: input.trim() };
}

/** All lines in the order of their times. What this tab has sent is shown once: as its own. */
export function mergeLines(own: readonly ChatLine[], ...received: (readonly ChatLine[])[]): ChatLine[] {
  const ownIds = new Set(own.map(({ id }) => id));
  const others = received.flat().filter(({ id }) => !ownIds.has(id));
  return [...own, ...others].sort((a, b) => a.at - b.at);
}
