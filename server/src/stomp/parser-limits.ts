/** STOMP 1.2, "Size Limits". All limits count octets on the wire, except the number of header lines. */
export interface ParserLimits {
  /** The command line without its LF. */
  readonly commandMaxBytes: number;
  readonly headerMaxCount: number;
  /** One header line without its LF. */
  readonly headerLineMaxBytes: number;
  /** All header lines of a frame, including line ends and the blank line. */
  readonly headersMaxBytes: number;
  readonly bodyMaxBytes: number;
}
