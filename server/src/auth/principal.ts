/**
 * Validates principals, from the relay's authenticators and from an application's own. The name of a principal becomes
 * part of destinations, message headers, queue names and the log.
 */
import { AuthenticationError } from './auth.js';
import type { Principal } from './auth.js';

const NAME_MAX_BYTES = 200;
/** Session ids. A user with such a name would receive the messages for the anonymous session with that id. */
const SESSION_ID = /^~[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** The problem of a user's name, such as "is empty"; undefined for a valid name. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'is empty';
  const bytes = Buffer.byteLength(name);
  if (bytes > NAME_MAX_BYTES) return `has ${bytes} bytes of UTF-8, and at most ${NAME_MAX_BYTES} are possible`;
  if (/\p{Cs}/u.test(name)) return 'holds half of a surrogate pair: it must be valid Unicode';
  if (SESSION_ID.test(name)) return 'looks like the id of a session';
  if (/\p{Cc}/u.test(name)) return 'holds a control character (such as NUL, CR or LF)';
  return undefined;
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
