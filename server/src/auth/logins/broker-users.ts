/**
 * The broker's own users: who can log in to RabbitMQ with a login and passcode is that user here. AMQP says no more than
 * yes or no: tags and permissions of the user are not to be had, and its claims are empty.
 */
import { networkOf } from '../../net/loopback.js';
import type { Authenticator, Credentials, Principal } from '../auth.js';
import { LoginQueue, type LoginQueueOptions } from './login-queue.js';
import { LoginCache } from './login-cache.js';

export interface BrokerUsersOptions extends LoginQueueOptions {
  readonly cacheMs: number;
  readonly allowGuest: boolean;
}

/** Resolves with whether the broker lets it in; rejects where no answer could be had. */
export type BrokerLoginCheck = (login: string, passcode: string, signal: AbortSignal) => Promise<boolean>;

/** RabbitMQ's, with a password that everybody knows. RabbitMQ takes it from loopback only: but that is where the relay may be. */
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

/** SASL PLAIN (RFC 4616) parts user and password by a NUL: one within either would make another user of them. */
function isSafe(text: string): boolean {
  return !text.includes('\0');
}
