/** Finds credentials in the headers of CONNECT, and in those of the HTTP request or upgrade. */
import type { Credentials } from './auth.js';

/**
 * Decides whether an HTTP request comes from a page that may connect. Cookies of other pages do not count, because a
 * browser adds them to the requests of any page.
 */
export type PageCheck = (httpHeaders: Credentials['httpHeaders']) => boolean;

/** Prefix of a token in the list of sub-protocols, the only header of the upgrade that a web page can set. */
const BEARER = 'bearer.';

/** All Authorization headers, those of CONNECT first. STOMP's header names are case-sensitive, HTTP's are not. */
export function authorizationsOf({ headers, httpHeaders }: Credentials): string[] {
  const all = [headers.get('Authorization'), headers.get('authorization'), httpHeaders['authorization']];
  return all.flat().filter((text) => text !== undefined && text !== '') as string[];
}

/** The token behind `bearer.` in the offered sub-protocols. */
export function bearerSubProtocolOf({ httpHeaders }: Credentials): string | undefined {
  const offered = [httpHeaders['sec-websocket-protocol'] ?? []].flat().join().split(',');
  return offered
    .map((each) => each.trim())
    .find((each) => each.startsWith(BEARER))
    ?.slice(BEARER.length);
}

/** Ignores cookies, because a browser adds them by itself. */
export function hasCredentials(credentials: Credentials): boolean {
  return (
    [credentials.login, credentials.passcode].some((text) => text !== undefined && text !== '') ||
    authorizationsOf(credentials).length > 0 ||
    bearerSubProtocolOf(credentials) !== undefined
  );
}
