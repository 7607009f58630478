/** Clients that present nothing. Who presents something is for the others to know or to refuse: a wrong password is no guest. */
import type { Authenticator, Credentials } from './auth.js';

export const anonymousAuthenticator: Authenticator = {
  authenticate: (credentials) =>
    Promise.resolve(presentsSomething(credentials) ? undefined : { name: 'anonymous', anonymous: true, claims: {} }),
};

/** Cookies do not count: a browser sends whatever it has for this host. */
function presentsSomething({ login, passcode, headers, httpHeaders }: Credentials): boolean {
  const authorization = headers.get('authorization') ?? headers.get('Authorization') ?? httpHeaders['authorization'];
  return [login, passcode, authorization].some((text) => text !== undefined && text !== '');
}
