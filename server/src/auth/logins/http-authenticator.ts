/**
 * Asks a login service of the application about each client, with one POST of the credentials. The service accepts the
 * client (200 with a name), does not know it (204), or refuses it (401, 403). Every other outcome counts as no answer:
 * a broken, slow or moved service admits no client, and the client may try again.
 */
import { z } from 'zod';
import { networkOf } from '../../net/ip-address.js';
import { AuthenticationError } from '../auth.js';
import type { Authenticator, Credentials, Principal } from '../auth.js';
import { authorizationsOf } from '../presented.js';
import type { PageCheck } from '../presented.js';
import { readAtMost } from './bounded-answer.js';
import { LoginCache } from './login-cache.js';
import { LoginQueue } from './login-queue.js';
import type { LoginQueueOptions } from './login-queue.js';

export interface HttpAuthenticatorOptions extends LoginQueueOptions {
  readonly url: string;
  /** Added to every request, such as an API key of the relay. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the client that the request includes, besides login and passcode. */
  readonly forward: readonly ('authorization' | 'cookie')[];
  readonly answerMaxBytes: number;
  readonly cacheMs: number;
}

const answer = z.object({
  name: z.string(),
  claims: z.record(z.string(), z.unknown()).default({}),
  /** Seconds since 1970, as in a JWT. */
  expiresAt: z.number().positive().optional(),
});

const OK = 200;
const NOT_MINE = 204;
const REFUSED = [401, 403];

export class HttpAuthenticator implements Authenticator {
  private readonly queue: LoginQueue;
  private readonly cache: LoginCache;

  constructor(
    private readonly options: HttpAuthenticatorOptions,
    private readonly isTrustedPage: PageCheck,
  ) {
    this.queue = new LoginQueue(options);
    this.cache = new LoginCache(options.cacheMs);
  }

  authenticate(credentials: Credentials): Promise<Principal | undefined> {
    const presented = this.presented(credentials);
    if (Object.values(presented).every((text) => !text)) return Promise.resolve(undefined);
    const { address } = credentials;
    const body = JSON.stringify({ ...presented, address });
    return this.cache.answer([body], () => this.queue.run((signal) => this.ask(body, signal), networkOf(address)));
  }

  forget(): void {
    this.cache.clear();
  }

  private presented(credentials: Credentials): Record<string, string | undefined> {
    const { login, passcode, httpHeaders } = credentials;
    const { forward } = this.options;
    const [authorization] = authorizationsOf(credentials);
    const cookie = [httpHeaders['cookie'] ?? []].flat().join('; ');
    return {
      login,
      passcode,
      ...(forward.includes('authorization') && { authorization }),
      ...(forward.includes('cookie') && cookie !== '' && this.isTrustedPage(httpHeaders) && { cookie }),
    };
  }

  private async ask(body: string, signal: AbortSignal): Promise<Principal | undefined> {
    const { url, headers, answerMaxBytes } = this.options;
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
      body,
      redirect: 'manual', // credentials go only to the configured address
      signal,
    });
    const { status } = response;
    const tooLong = `the service's answer has more than ${answerMaxBytes} bytes (answerMaxBytes)`;
    const text = await readAtMost(response, answerMaxBytes, tooLong); // always, so that the connection can be reused
    if (status === OK) return toPrincipal(text);
    if (status === NOT_MINE) return undefined;
    if (REFUSED.includes(status)) {
      throw new AuthenticationError('authentication-failed', 'The login, passcode or token was not accepted.');
    }
    throw new Error(`the service at auth.authenticators' url answered with status ${status}`);
  }
}

/** Errors do not quote the answer: it may hold secrets. */
function toPrincipal(text: string): Principal {
  const result = answer.safeParse(parseJson(text));
  if (!result.success) {
    const wrong = result.error.issues.map(({ path }) => path[0] ?? 'everything').join(', ');
    throw new Error(`the service's answer is not JSON with name, claims?, expiresAt? (wrong: ${wrong})`);
  }
  const { name, claims, expiresAt } = result.data;
  return {
    name,
    anonymous: false,
    claims,
    ...(expiresAt === undefined ? {} : { expiresAtMs: expiresAt * 1_000 }),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
