/**
 * A STOMP frame, as the parser reads it and the encoder writes it. Headers keep the order of the wire; of
 * repeated entries only the first is kept (STOMP 1.2, "Repeated Header Entries").
 */
export interface Frame {
  readonly command: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export const EMPTY_BODY = Buffer.alloc(0);

/** The protocol versions that this relay speaks, lowest first. */
export const VERSIONS = ['1.0', '1.1', '1.2'] as const;
export type Version = (typeof VERSIONS)[number];
