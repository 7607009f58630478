/**
 * Where a client may put its token. What it presents itself comes before a cookie, which its browser sends unasked, for
 * any page: so a cookie counts only where nothing else is presented, and only for pages that may connect.
 */
import { parse as parseCookies } from 'cookie';
import { decodeProtectedHeader } from 'jose';
import { AuthenticationError, type Credentials } from '../auth.js';
import { authorizationsOf, bearerSubProtocolOf, type PageCheck, hasCredentials } from '../presented.js';

export type TokenPlace = 'passcode' | 'authorization' | 'subprotocol' | 'cookie';

export interface TokenPlaces {
  readonly from: readonly TokenPlace[];
  readonly cookieName?: string | undefined;
}

/** Longer, it is not decoded: this is done with whatever anybody sends. */
const HEADER_MAX = 8 * 1024;

/**
 * The first that looks like a token; undefined: there is none. Throws an AuthenticationError for something else where only
 * a token can be meant, and for a cookie of a page that may not connect.
 */
export function findToken(
  credentials: Credentials,
  { from, cookieName }: TokenPlaces,
  isTrustedPage: PageCheck,
): string | undefined {
  const presented = [
    ...(from.includes('passcode') ? [credentials.passcode ?? ''] : []),
    ...(from.includes('authorization') ? authorizationsOf(credentials) : []),
  ];
  const token = presented.map(withoutScheme).find(looksLikeToken);
  if (token !== undefined) return token;
  const offered = from.includes('subprotocol') ? bearerSubProtocolOf(credentials) : undefined;
  if (offered !== undefined) return mustBeToken(offered, 'The sub-protocol bearer.TOKEN');
  const cookie = cookieName === undefined ? undefined : cookieOf(credentials, cookieName);
  if (cookie === undefined || !from.includes('cookie') || hasCredentials(credentials)) return undefined;
  if (isTrustedPage(credentials.httpHeaders)) return mustBeToken(cookie, `The cookie ${cookieName}`);
  const sentence = `The cookie ${cookieName} counts only for pages of allowed origins, and the request names no such Origin.`;
  throw new AuthenticationError('authentication-failed', sentence);
}

/** A signed token in its compact form: three parts in base64url, of which the first names an algorithm. */
function looksLikeToken(text: string): boolean {
  if (text.indexOf('.') > HEADER_MAX || !/^[\w-]+\.[\w-]*\.[\w-]*$/.test(text)) return false;
  try {
    return typeof decodeProtectedHeader(text).alg === 'string';
  } catch {
    return false;
  }
}

function mustBeToken(text: string, where: string): string {
  if (looksLikeToken(text)) return text;
  throw new AuthenticationError('authentication-failed', `${where} holds no JSON web token.`);
}

function withoutScheme(text: string): string {
  return text.replace(/^bearer +/i, '').trim();
}

function cookieOf({ httpHeaders }: Credentials, name: string): string | undefined {
  const header = [httpHeaders['cookie'] ?? []].flat().join('; ');
  return parseCookies(header)[name]; // an object without a prototype
}
