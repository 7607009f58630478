/**
 * The log of every part of the relay. Details come first, as pino takes them; they never hold credentials. A part that uses
 * some of the levels takes a `Pick` of it.
 */
export interface Log {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
