/**
 * Destinations and their data. They are declared once for the client and every hook: `useLatest('/topic/chat').data` is
 * a string, and a misspelt destination does not compile.
 */
export interface Destinations {
  /** Rows of any shape: back ends decide. */
  '/topic/data': unknown;
  '/topic/chat': string;
  /** Private messages to this user. */
  '/user/queue/chat': string;
  /** Private messages to another user. */
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

/** A destination that the user has typed. Its data is unknown, like that of a row. */
export function typedIn(destination: string): '/topic/data' {
  return destination.trim() as '/topic/data';
}
