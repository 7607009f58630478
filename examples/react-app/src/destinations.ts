/**
 * What is sent where. Declared once, known to the client and to every hook: `useLatest('/topic/chat').data` is a string,
 * and a destination misspelt does not compile.
 */
export interface Destinations {
  /** Rows of any shape: what back ends publish is theirs to choose. */
  '/topic/data': unknown;
  '/topic/chat': string;
  /** What others have sent to this user alone... */
  '/user/queue/chat': string;
  /** ...by sending it here. */
  [privateChat: `/user/${string}/queue/chat`]: string;
  '/queue/chatbot': string;
  '/topic/chatbot.stop': string;
  '/user/queue/replies': string;
}

declare module 'stomp-relay-client' {
  interface Register {
    destinations: Destinations;
  }
}

/** A destination that somebody has typed: of what comes from there as little is known as of a row. */
export function typedIn(destination: string): '/topic/data' {
  return destination.trim() as '/topic/data';
}
