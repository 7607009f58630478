/** Credentials of a client; everything that a test does not give is empty. */
import type { Credentials } from '../../../../server/src/auth/auth.js';

export function presented({ headers, ...rest }: Partial<Omit<Credentials, 'headers'>> & { headers?: object } = {}) {
  const frame = new Map(Object.entries(headers ?? {}) as [string, string][]);
  const {
    login = frame.get('login'),
    passcode = frame.get('passcode'),
    httpHeaders = {},
    address = '127.0.0.1',
  } = rest;
  return { login, passcode, headers: frame, httpHeaders, address } satisfies Credentials;
}
