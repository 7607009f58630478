/**
 * The relay's WebSocket close codes that change the next attempt. After any other code the client retries after the
 * usual pause.
 */

/** Another attempt would end the same way: protocol error, frame too large, access refused. */
export const FINAL: readonly number[] = [1002, 1003, 1007, 1009, 4400, 4401, 4403];
/** The relay is busy, or the client was too fast. */
export const LATER: readonly number[] = [1013, 4429];
/** The token has expired. A fresh token is enough to reconnect. */
export const TOKEN_EXPIRED = 4410;
