/**
 * Authenticates users of RabbitMQ: the relay tries a client's login and passcode there. AMQP answers only yes or no.
 * The tags and permissions of the user are not available, so its claims are empty.
 */
import { networkOf } from '../../net/ip-address.js';
import type { Authenticator, Credentials, Principal } from '../auth.js';
import { LoginCache } from './login-cache.js';
import { LoginQueue } from './login-queue.js';
import type { LoginQueueOptions } from './login-queue.js';

export interface BrokerUsersOptions extends LoginQueueOptions {
  readonly cacheMs: number;
  readonly allowGuest: boolean;
}

/**
 * Resolves with true if the broker accepts the login, and with false if it refuses. Rejects if no answer is available.
 */
export type BrokerLoginCheck = (login: string, passcode: string, signal: AbortSignal) => Promise<boolean>;

/**
 * RabbitMQ's default user with a well-known password. RabbitMQ accepts it from loopback, and the relay may connect from
 * there.
 */
const GUEST = 'guest';

export class BrokerUsers implements Authenticator {
  private readonly queue: LoginQueue;
  private readonly cache: LoginCache;

  constructor(
    private readonly options: BrokerUsersOptions,
    private readonly check: BrokerLoginCheck,
  ) {
    this.queue = new LoginQueue(options);
    this.cache = new LoginCache(options.cacheMs);
  }

  authenticate({ login, passcode, address }: Credentials): Promise<Principal | undefined> {
    if (!login || !passcode || !isSafe(login) || !isSafe(passcode)) return Promise.resolve(undefined);
    if (login === GUEST && !this.options.allowGuest) return Promise.resolve(undefined);
    return this.cache.answer([login, passcode], () =>
      this.queue.run(async (signal) => {
        const isAccepted = await this.check(login, passcode, signal);
        return isAccepted ? { name: login, anonymous: false, claims: {} } : undefined;
      }, networkOf(address)),
    );
  }

  forget(): void {
    this.cache.clear();
  }
}

/** SASL PLAIN (RFC 4616) separates user and password by NUL, so a NUL inside one of them could log in another user. */
function isSafe(text: string): boolean {
  return !text.includes('\0');
}
