/**
 * A STOMP frame. Headers are in the order of the wire; of repeated headers only the first is kept (STOMP 1.2, "Repeated
 * Header Entries").
 */
export interface Frame {
  readonly command: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export const EMPTY_BODY = Buffer.alloc(0);

/** The supported protocol versions, lowest first. */
export const VERSIONS = ['1.0', '1.1', '1.2'] as const;
export type Version = (typeof VERSIONS)[number];
