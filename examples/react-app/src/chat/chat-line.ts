/** The lines of the chat. */
import type { Message } from 'stomp-relay-client';

export interface ChatLine {
  /** The same id for a sent line and its copy from the relay. */
  readonly id: string;
  /** Epoch ms, by this tab's clock. */
  readonly at: number;
  readonly from: string;
  /** The recipient; undefined for a line to all users. */
  readonly to?: string;
  readonly text: string;
  /** The progress of a line from this tab. */
  readonly sending?: 'sending' | 'confirmed' | Error;
}

export function roomLine(_text: unknown, { headers, body }: Message): ChatLine {
  return {
    id: headers['idempotency-key'] ?? headers['message-id'] ?? '',
    at: Date.now(),
    // Set by the relay, so clients cannot forge it. A name in the body proves nothing.
    from: headers['user'] ?? 'a back end',
    text: body, // undecoded: clients may send other types than the declared one
  };
}

export function privateLine(text: unknown, message: Message): ChatLine {
  return { ...roomLine(text, message), to: 'you' };
}

/** `@name text` is for one user. */
export function parseInput(input: string): { to?: string; text: string } {
  const [, to, text] = /^@(\S+)\s+(\S.*)$/s.exec(input.trim()) ?? [];
  return to !== undefined && text !== undefined ? { to, text } : { text: input.trim() };
}

/** All lines in order of time. A line of this tab appears once, as its own line. */
export function mergeLines(own: readonly ChatLine[], ...received: (readonly ChatLine[])[]): ChatLine[] {
  const ownIds = new Set(own.map(({ id }) => id));
  const others = received.flat().filter(({ id }) => !ownIds.has(id));
  return [...own, ...others].sort((a, b) => a.at - b.at);
}
