/**
 * Access control of the admin API. It refuses all requests of web pages. On loopback only this machine can connect, so
 * web pages in a local browser are the remaining risk. On other addresses, and always if `admin.tokenHash` is set, a
 * request needs the token.
 */
import { timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { hashKey, readKeyHash } from '../auth/key-hash.js';
import { Problem } from '../http/problem.js';

export interface AdminAccess {
  /** Only this machine can connect. */
  readonly isLoopback: boolean;
  /** SHA-256 of the token, in hexadecimal or base64. The token has 256 random bits, so it cannot be guessed. */
  readonly tokenHash?: string | undefined;
}

const CLOSED =
  'The admin API needs a token if other machines can reach it: run "stomp-relay api-key", set admin.tokenHash, and ' +
  'send the key as "Authorization: Bearer KEY"; or let the admin port listen on loopback (listen.adminHost: 127.0.0.1).';

export function adminGuard({ isLoopback, tokenHash }: AdminAccess): RequestHandler {
  const expected = tokenHash === undefined ? undefined : readKeyHash(tokenHash);
  return ({ headers }, response, next) => {
    response.set('Cache-Control', 'no-store');
    // `none` means that a user typed the address
    const { origin, authorization, 'sec-fetch-site': site = 'none' } = headers;
    if (origin !== undefined || site !== 'none') {
      throw new Problem(403, 'cross-site-request', 'The admin API accepts no requests from web pages.');
    }
    if (expected ? !isToken(authorization, expected) : !isLoopback) {
      if (!expected) throw new Problem(403, 'admin-api-closed', CLOSED);
      const sentence =
        'The admin API accepts only requests with the header "Authorization: Bearer KEY" (admin.tokenHash).';
      throw new Problem(401, 'authentication-failed', sentence, { 'WWW-Authenticate': 'Bearer' });
    }
    next();
  };
}

function isToken(authorization: string | undefined, expected: Buffer): boolean {
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return token !== undefined && timingSafeEqual(hashKey(token), expected);
}
