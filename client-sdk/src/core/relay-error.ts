/** Something that the relay refused, or that the connection prevented. */
export class RelayError extends Error {
  override readonly name = 'RelayError';
  constructor(
    /** The relay's code, such as `authentication-failed`, or `not-connected`, `connection-lost`, `closed`. */
    readonly code: string,
    /** A sentence for people. */
    message: string,
  ) {
    super(message);
  }
}
