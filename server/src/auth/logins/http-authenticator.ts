/**
 * Asks a service of the application who a client is: one POST with what the client presents. The service says yes (200, with
 * a name), "not mine" (204) or no (401, 403). Whatever else happens is no answer: the client may try again, and nobody is let
 * in by a service that is broken, slow, or moved.
 */
import { z } from 'zod';
import { networkOf } from '../../net/loopback.js';
import { type Authenticator, AuthenticationError, type Credentials, type Principal } from '../auth.js';
import { readAtMost } from './bounded-answer.js';
import { LoginQueue, type LoginQueueOptions } from './login-queue.js';
import { LoginCache } from './login-cache.js';
import { authorizationsOf, type PageCheck } from '../presented.js';

export interface HttpAuthenticatorOptions extends LoginQueueOptions {
  readonly url: string;
  /** Sent with every request, such as an API key. */
  readonly headers: Readonly<Record<string, string>>;
  /** Headers of the client that are passed on, besides login and passcode. */
  readonly forward: readonly ('authorization' | 'cookie')[];
  readonly answerMaxBytes: number;
  readonly cacheMs: number;
}

const answer = z.object({
  name: z.string(),
  claims: z.record(z.string(), z.unknown()).default({}),
  /** In seconds since 1970, as in JWT. */
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
      redirect: 'manual', // what a client presents goes to the configured address and to no other
      signal,
    });
    const { status } = response;
    const tooLong = `the service's answer has more than ${answerMaxBytes} bytes (answerMaxBytes)`;
    const text = await readAtMost(response, answerMaxBytes, tooLong); // also where it does not matter: the connection is kept
    if (status === OK) return toPrincipal(text);
    if (status === NOT_MINE) return undefined;
    if (REFUSED.includes(status)) {
      throw new AuthenticationError('authentication-failed', 'The login, passcode or token was not accepted.');
    }
    throw new Error(`the service at auth.authenticators' url answered with status ${status}`);
  }
}

/** Nothing of the answer is shown: it may hold secrets. */
function toPrincipal(text: string): Principal {
  const result = answer.safeParse(parseJson(text));
  if (!result.success) {
    const wrong = result.error.issues.map(({ path }) => path[0] ?? 'the whole').join(', ');
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
