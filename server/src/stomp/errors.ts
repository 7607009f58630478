/**
 * The table of all errors of a session: the short text of ERROR's `message` header, the WebSocket close code, and
 * whether an automatic reconnect of the client makes sense. The detailed sentence (ERROR's body) comes with the error.
 *
 * `isSoft` marks errors about one frame that was read completely and is refused. A client with `soft-errors` gets a
 * report instead of ERROR, and its session continues. Violations of the protocol, and errors about the session itself,
 * always end the session.
 *
 * Close codes: 1002 and 1009 are defined by RFC 6455, 1012 is "service restart", 1013 "try again later"; 4000 to 4999
 * are for applications.
 */
const PROTOCOL = { closeCode: 1002, mayReconnect: false, isSoft: false } as const;
const TOO_BIG = { closeCode: 1009, mayReconnect: false, isSoft: false } as const;
const REFUSED = { closeCode: 4403, mayReconnect: false, isSoft: true } as const;
const REQUEST = { closeCode: 4400, mayReconnect: false, isSoft: true } as const;
const LATER = { closeCode: 1013, mayReconnect: true, isSoft: false } as const;

export const ERRORS = {
  // The byte stream
  'malformed-frame': { text: 'malformed frame', ...PROTOCOL },
  'invalid-escape': { text: 'undefined escape sequence', ...PROTOCOL },
  'invalid-content-length': { text: 'invalid content-length', ...PROTOCOL },
  'unknown-command': { text: 'unknown command', ...PROTOCOL },
  'command-too-long': { text: 'command too long', ...TOO_BIG },
  'too-many-headers': { text: 'too many headers', ...TOO_BIG },
  'header-too-long': { text: 'header line too long', ...TOO_BIG },
  'headers-too-large': { text: 'headers too large', ...TOO_BIG },
  'body-too-large': { text: 'body too large', ...TOO_BIG },
  'message-too-large': { text: 'WebSocket message too large', ...TOO_BIG },
  // Connecting
  'not-connected': { text: 'not connected', ...PROTOCOL },
  'already-connected': { text: 'already connected', ...PROTOCOL },
  'unsupported-version': { text: 'unsupported protocol version', ...PROTOCOL },
  'connect-timeout': { text: 'no CONNECT in time', closeCode: 4408, mayReconnect: true, isSoft: false },
  'frame-timeout': { text: 'frame not completed in time', closeCode: 4408, mayReconnect: true, isSoft: false },
  'heart-beat-timeout': { text: 'heart-beat missed', closeCode: 4408, mayReconnect: true, isSoft: false },
  'authentication-failed': { text: 'authentication failed', closeCode: 4401, mayReconnect: false, isSoft: false },
  // The SDK fetches a new token before it reconnects.
  'token-expired': { text: 'token expired', closeCode: 4410, mayReconnect: true, isSoft: false },
  // Soft for a session that renews its token.
  'authentication-unavailable': { text: 'authentication unavailable', ...LATER, isSoft: true },
  'too-many-sessions': { text: 'too many sessions', ...LATER },
  'too-many-user-sessions': { text: 'too many sessions of this user', ...LATER },
  'too-many-address-sessions': { text: 'too many sessions from this address', ...LATER },
  'too-many-connects': { text: 'too many new sessions a second', ...LATER },
  overloaded: { text: 'relay is overloaded', ...LATER },
  'memory-exhausted': { text: 'relay is short of memory', ...LATER },
  // Requests of frames
  'missing-header': { text: 'missing header', ...REQUEST },
  'invalid-header': { text: 'invalid header', ...REQUEST },
  'unexpected-body': { text: 'body not allowed', ...REQUEST },
  'invalid-destination': { text: 'invalid destination', ...REQUEST },
  'access-denied': { text: 'access denied', ...REFUSED },
  'duplicate-subscription': { text: 'subscription id in use', ...REQUEST },
  'unknown-subscription': { text: 'unknown subscription', ...REQUEST },
  'too-many-subscriptions': { text: 'too many subscriptions', ...REQUEST },
  'unknown-ack': { text: 'unknown ack id', ...REQUEST },
  'transaction-in-use': { text: 'transaction id in use', ...REQUEST },
  'unknown-transaction': { text: 'unknown transaction', ...REQUEST },
  'transaction-too-large': { text: 'transaction too large', ...REQUEST },
  'too-many-transactions': { text: 'too many transactions', ...REQUEST },
  'commit-failed': { text: 'commit failed', ...REQUEST },
  // Refusals of the broker
  'broker-unavailable': { text: 'broker unavailable', ...LATER, isSoft: true },
  'not-supported': { text: 'not supported', ...REQUEST },
  'publish-refused': { text: 'message refused by the broker', ...LATER, isSoft: true },
  'unacceptable-message': { text: 'message not accepted by the broker', ...REQUEST },
  unroutable: { text: 'message not routed to any queue', ...REQUEST },
  'exchange-not-found': { text: 'exchange not found', ...REQUEST },
  'queue-not-found': { text: 'queue not found', ...REQUEST },
  'queue-conflict': { text: 'queue exists with other properties', ...REQUEST },
  'queue-in-use': { text: 'queue in exclusive use', ...LATER, isSoft: true },
  'access-refused': { text: 'refused by the broker', ...REFUSED },
  'too-many-channels': { text: 'too many channels', ...LATER, isSoft: true },
  'too-many-queues': { text: 'too many queues', ...LATER, isSoft: true },
  'subscription-ended': { text: 'subscription ended by the broker', ...LATER, isSoft: true },
  // Decisions of the relay
  revoked: { text: 'access revoked', closeCode: 4401, mayReconnect: false, isSoft: false },
  kicked: { text: 'session ended by an operator', closeCode: 4411, mayReconnect: true, isSoft: false },
  'too-many-frames': { text: 'too many frames a second', closeCode: 4429, mayReconnect: true, isSoft: false },
  // A promised replay of missed messages; the client returns with its newest position
  'replay-interrupted': { text: 'replay interrupted', closeCode: 4412, mayReconnect: true, isSoft: true },
  'slow-consumer': { text: 'client reads too slowly', closeCode: 4409, mayReconnect: true, isSoft: false },
  'shutting-down': { text: 'relay is shutting down', closeCode: 1012, mayReconnect: true, isSoft: false },
  'internal-error': { text: 'internal error', closeCode: 1011, mayReconnect: true, isSoft: false },
} as const satisfies Record<string, { text: string; closeCode: number; mayReconnect: boolean; isSoft: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** `message` is the sentence of ERROR's body: the fault, the limit or rule, and the way out. */
export class StompError extends Error {
  override readonly name = 'StompError';
  /** The `receipt` header of the frame at fault, if it could be read. ERROR has it as `receipt-id`. */
  receipt?: string;
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code);
}

/** A client's text for use in a sentence: shortened, in quotes, with control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
