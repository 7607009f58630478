/** A refusal by the relay, a lost connection, or a timeout. */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  /** The relay's code, such as `access-denied`, or one of the client's, such as `connection-lost`: see README.md. */
  readonly code: string;

  /** @param message a sentence for people */
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export function closedError(): RelayError {
  return new RelayError('closed', 'The client was closed.');
}

export function lostError(sentence = 'The connection ended.'): RelayError {
  return new RelayError('connection-lost', sentence);
}

export function notConnectedError(): RelayError {
  return new RelayError('not-connected', 'There is no connection.');
}

/** Wraps a thrown value in a RelayError with this code, unless it is a RelayError already. */
export function asRelayError(error: unknown, code: string): RelayError {
  return error instanceof RelayError ? error : new RelayError(code, sentenceOf(error));
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
