/** Counts the sessions of each user and of each address, or their streams. */
import type { Account } from './accounts.js';
import { Quota } from './quota.js';
import type { SessionLimits } from './session-limits.js';
import type { SharedPots } from './shared-pots.js';

type Counted = 'sessions' | 'streams';

export class SessionQuotas {
  private readonly users: Quota;
  private readonly addresses: Quota;

  /** The metrics show both quotas, those of streams with the suffix `(streams)`. */
  constructor(
    private readonly limits: SessionLimits,
    private readonly counted: Counted,
    pots: SharedPots,
  ) {
    const suffix = counted === 'streams' ? ' (streams)' : '';
    this.users = new Quota({ ...limits.user, limit: limits.user.limit + suffix });
    this.addresses = new Quota({ ...limits.address, limit: limits.address.limit + suffix });
    pots.watch(this.users);
    pots.watch(this.addresses);
  }

  /** Counts `holder`, or returns the sentence of the refusal. Each anonymous client is a separate user. */
  takeUser(holder: object, { name, anonymous }: { name: string; anonymous: boolean }): string | undefined {
    if (anonymous || this.users.take(holder, name)) return undefined;
    return this.refusal('Your user', this.limits.user);
  }

  /** As `takeUser`. Loopback and proxies have no account, because many clients share such an address. */
  takeAddress(holder: object, account: Account): string | undefined {
    if (account === undefined || this.addresses.take(holder, account)) return undefined;
    return this.refusal('Your address', this.limits.address);
  }

  /** Does nothing for a holder that is not counted. */
  release(holder: object): void {
    this.users.release(holder);
    this.addresses.release(holder);
  }

  private refusal(subject: string, { limit, max }: SessionLimits['user']): string {
    return `${subject} has ${limit} (${max}) ${this.counted} already: close one, or try again later.`;
  }
}
