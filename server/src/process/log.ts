/**
 * The log of all parts of the relay. Details come first, as in pino; they never contain credentials. A part that uses
 * only some levels takes a `Pick` of it.
 */
export interface Log {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}
