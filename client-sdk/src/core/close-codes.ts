/** What a relay's WebSocket close code means for the next attempt. Codes that are not here: come back after a while. */

/** Another attempt would end the same way: against the protocol, too large, refused. */
export const FINAL: readonly number[] = [1002, 1003, 1007, 1009, 4400, 4401, 4403];
/** The relay is busy, or the client was too fast. */
export const LATER: readonly number[] = [1013, 4429];
/** The token has ended: a fresh one is needed, and nothing else. */
export const TOKEN_EXPIRED = 4410;
