/**
 * Validates principals, from the relay's authenticators and from an application's own. The name of a principal becomes
 * part of destinations, message headers, queue names and the log.
 */
import { AuthenticationError } from './auth.js';
import type { Principal } from './auth.js';

const NAME_MAX_BYTES = 200;
/** Session ids. A user with such a name would receive the messages for the anonymous session with that id. */
const SESSION_ID = /^~[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;
/**
 * Format characters (zero width, direction), private and unassigned ones, line separators, and everything else that
 * Unicode leaves out when it draws a text. Braille's blank is the one blank symbol. With these, two users could have
 * names that look the same.
 */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u;
const BLANK_END = /^\p{White_Space}|\p{White_Space}$/u;

/** The problem of a user's name, such as "is empty"; undefined for a valid name. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'is empty';
  const bytes = Buffer.byteLength(name);
  if (bytes > NAME_MAX_BYTES) return `has ${bytes} bytes of UTF-8, and at most ${NAME_MAX_BYTES} are possible`;
  if (/\p{Cs}/u.test(name)) return 'holds half of a surrogate pair: it must be valid Unicode';
  if (SESSION_ID.test(name)) return 'looks like the id of a session';
  if (/\p{Cc}/u.test(name)) return 'holds a control character (such as NUL, CR or LF)';
  const [invisible] = INVISIBLE.exec(name) ?? [];
  if (invisible !== undefined) return `holds the invisible or unassigned character ${codePointOf(invisible)}`;
  if (BLANK_END.test(name)) return 'begins or ends with a blank';
  return undefined;
}

function codePointOf(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** The user's name behind a session's `/user/queue/...`. Each anonymous session counts as a separate user. */
export function userNameOf({ anonymous, name }: Principal, sessionId: string): string {
  return anonymous ? sessionId : name;
}

/** Returns `principal`. Throws an AuthenticationError that names the broken rule, but never the user. */
export function checkPrincipal(principal: Principal): Principal {
  // An application's authenticator may be plain JavaScript, without these types
  const { name, anonymous, claims, expiresAtMs }: Partial<Record<keyof Principal, unknown>> = principal;
  const problem = nameProblem(name);
  if (problem !== undefined) throw refused(problem);
  if (typeof anonymous !== 'boolean' || typeof claims !== 'object' || claims === null) {
    throw new AuthenticationError(
      'authentication-failed',
      'The authenticator returned a principal without "anonymous" (true or false) or without "claims" (an object).',
    );
  }
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) {
    throw new AuthenticationError(
      'authentication-failed',
      'The expiry time of the login (expiresAtMs) is not a number.',
    );
  }
  return principal;
}

function refused(problem: string): AuthenticationError {
  return new AuthenticationError('authentication-failed', `The user's name ${problem}: it cannot be used here.`);
}
