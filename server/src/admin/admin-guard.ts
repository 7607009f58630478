/**
 * Who may use the admin API. Where the admin port listens on loopback only this machine reaches it, and what it must be
 * guarded from are web pages that a browser on it shows: none has any business here. Elsewhere, or wherever
 * `admin.tokenHash` is set, it takes the token.
 */
import { timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { hashKey, readKeyHash } from '../auth/key-hash.js';
import { Problem } from '../http/problem.js';

export interface AdminAccess {
  /** Only this machine can connect. */
  readonly isLoopback: boolean;
  /** SHA-256 of the token, in hexadecimal or base64. The token is random and long: nobody can try them all. */
  readonly tokenHash?: string | undefined;
}

const CLOSED =
  'The admin API is served to other machines only for a token: run "stomp-relay api-key", set admin.tokenHash, and send the ' +
  'key as "Authorization: Bearer KEY"; or let the admin port listen on loopback (listen.adminHost: 127.0.0.1).';

export function adminGuard({ isLoopback, tokenHash }: AdminAccess): RequestHandler {
  const expected = tokenHash === undefined ? undefined : readKeyHash(tokenHash);
  return ({ headers }, response, next) => {
    response.set('Cache-Control', 'no-store');
    // `none`: somebody has typed the address
    const { origin, authorization, 'sec-fetch-site': site = 'none' } = headers;
    if (origin !== undefined || site !== 'none') {
      throw new Problem(403, 'cross-site-request', 'The admin API takes no requests of web pages.');
    }
    if (expected ? !isToken(authorization, expected) : !isLoopback) {
      if (!expected) throw new Problem(403, 'admin-api-closed', CLOSED);
      const sentence =
        'The admin API takes only requests with the header "Authorization: Bearer KEY" (admin.tokenHash).';
      throw new Problem(401, 'authentication-failed', sentence, { 'WWW-Authenticate': 'Bearer' });
    }
    next();
  };
}

function isToken(authorization: string | undefined, expected: Buffer): boolean {
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
  return token !== undefined && timingSafeEqual(hashKey(token), expected);
}
