/**
 * What must hold of a principal, whoever made it: one of the relay's authenticators or an application's own. Its name goes
 * into destinations, message headers, queue names and the log.
 */
import { AuthenticationError, type Principal } from './auth.js';

const NAME_MAX_BYTES = 200;
/** The ids of sessions: who is called so would get what is meant for the session without a login that has this id. */
const SESSION_ID = /^~[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** What is wrong with a user's name, such as "is empty"; undefined where it can be used. */
export function nameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string' || name === '') return 'is empty';
  const bytes = Buffer.byteLength(name);
  if (bytes > NAME_MAX_BYTES) return `has ${bytes} bytes of UTF-8, and at most ${NAME_MAX_BYTES} are possible`;
  if (/\p{Cs}/u.test(name)) return 'holds half of a surrogate pair: it must be valid Unicode';
  if (SESSION_ID.test(name)) return 'looks like the id of a session';
  if (/\p{Cc}/u.test(name)) return 'holds a control character (such as NUL, CR or LF)';
  return undefined;
}

/** Whose `/user/queue/...` a session gets: an anonymous client is a user of its own. */
export function userNameOf({ anonymous, name }: Principal, sessionId: string): string {
  return anonymous ? sessionId : name;
}

/** Returns it as it is. Throws an AuthenticationError that names the rule, and never the name. */
export function checkPrincipal(principal: Principal): Principal {
  // An authenticator may be plain JavaScript
  const { name, anonymous, claims, expiresAtMs }: Partial<Record<keyof Principal, unknown>> = principal;
  const problem = nameProblem(name);
  if (problem !== undefined) throw refused(problem);
  if (typeof anonymous !== 'boolean' || typeof claims !== 'object' || claims === null) {
    throw new AuthenticationError('authentication-failed', 'The authenticator gave a principal without its claims.');
  }
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) {
    throw new AuthenticationError('authentication-failed', 'The token ends at a time that is no number.');
  }
  return principal;
}

function refused(what: string): AuthenticationError {
  return new AuthenticationError('authentication-failed', `The user's name ${what}: it cannot be used here.`);
}
