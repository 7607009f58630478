/** What a client presents, wherever it puts it: in headers of CONNECT, or of the HTTP request or upgrade. */
import type { Credentials } from './auth.js';

/** Whether an HTTP request comes from a page that may connect: for others a cookie, which browsers send unasked, says nothing. */
export type PageCheck = (httpHeaders: Credentials['httpHeaders']) => boolean;

/** Beside `v12.stomp` in a browser's list of sub-protocols, the only header of the upgrade that a page can fill. */
const BEARER = 'bearer.';

/** All Authorization headers there are, CONNECT's first. STOMP's header names have a case, HTTP's have none. */
export function authorizationsOf({ headers, httpHeaders }: Credentials): string[] {
  const all = [headers.get('Authorization'), headers.get('authorization'), httpHeaders['authorization']];
  return all.flat().filter((text) => text !== undefined && text !== '') as string[];
}

/** What follows `bearer.` in the offered sub-protocols. */
export function bearerSubProtocolOf({ httpHeaders }: Credentials): string | undefined {
  const offered = [httpHeaders['sec-websocket-protocol'] ?? []].flat().join().split(',');
  return offered
    .map((each) => each.trim())
    .find((each) => each.startsWith(BEARER))
    ?.slice(BEARER.length);
}

/** Cookies do not count: a browser sends whatever it has for this host. */
export function hasCredentials(credentials: Credentials): boolean {
  return (
    [credentials.login, credentials.passcode].some((text) => text !== undefined && text !== '') ||
    authorizationsOf(credentials).length > 0 ||
    bearerSubProtocolOf(credentials) !== undefined
  );
}
