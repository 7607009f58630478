/**
 * Finds the token among a client's credentials. A browser adds cookies by itself, to requests of any page. Therefore a
 * cookie counts only if the client presents nothing else, and only for pages that may connect.
 */
import { parse as parseCookies } from 'cookie';
import { decodeProtectedHeader } from 'jose';
import { AuthenticationError } from '../auth.js';
import type { Credentials } from '../auth.js';
import { authorizationsOf, bearerSubProtocolOf, hasCredentials } from '../presented.js';
import type { PageCheck } from '../presented.js';

export type TokenPlace = 'passcode' | 'authorization' | 'subprotocol' | 'cookie';

export interface TokenPlaces {
  readonly from: readonly TokenPlace[];
  readonly cookieName?: string | undefined;
}

/** Longest header of a token that is decoded. This bounds the work for unauthenticated clients. */
const HEADER_MAX = 8 * 1024;

/**
 * Returns the first text that looks like a token, or undefined if none does. Throws an AuthenticationError for other
 * text in a place that is only for tokens, and for a cookie of a page that may not connect.
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
  const sentence = `The cookie ${cookieName} counts only for pages of allowed origins. This request names no such origin.`;
  throw new AuthenticationError('authentication-failed', sentence);
}

/** A signed token in compact form has three parts in base64url, and the first one names an algorithm. */
function looksLikeToken(text: string): boolean {
  if (text.indexOf('.') > HEADER_MAX || !/^[\w-]+\.[\w-]*\.[\w-]*$/.test(text)) return false;
  try {
    return typeof decodeProtectedHeader(text).alg === 'string';
  } catch {
    return false;
  }
}

function mustBeToken(text: string, place: string): string {
  if (looksLikeToken(text)) return text;
  throw new AuthenticationError('authentication-failed', `${place} does not hold a JSON web token.`);
}

function withoutScheme(text: string): string {
  return text.replace(/^bearer +/i, '').trim();
}

function cookieOf({ httpHeaders }: Credentials, name: string): string | undefined {
  const header = [httpHeaders['cookie'] ?? []].flat().join('; ');
  return parseCookies(header)[name]; // the object has no prototype, so any name is safe
}
