/** The limits on the sessions of a user and of an address. Streams have the same limits, and are counted apart. */
import type { Log } from '../process/log.js';
import type { LimitMode } from './limit-mode.js';
import type { QuotaRules } from './quota.js';

export interface SessionLimits {
  readonly user: QuotaRules;
  readonly address: QuotaRules;
}

export interface SessionLimitOptions {
  /** Undefined: the default. */
  readonly sessionsPerUserMax?: number | undefined;
  readonly sessionsPerAddressMax?: number | undefined;
}

/** Defaults. That of users applies only where logins are checked; elsewhere a client can give any name. */
export const SESSIONS_PER_USER_MAX = 1_000;
export const SESSIONS_PER_ADDRESS_MAX = 1_000;

const NEAR_LIMIT =
  'an address has half of limits.sessionsPerAddressMax: if it is a proxy, name it in listen.trustedProxies';

/** `mode` is asked for the defaults. A value that an operator has set always holds. */
export function createSessionLimits(
  { sessionsPerUserMax, sessionsPerAddressMax }: SessionLimitOptions,
  checksLogins: boolean,
  mode: LimitMode,
  log: Pick<Log, 'warn'>,
): SessionLimits {
  const rules = (limit: string, set: number | undefined, preset: number): QuotaRules =>
    set === undefined ? { limit, max: preset, mode } : { limit, max: set };
  return {
    user: rules('limits.sessionsPerUserMax', sessionsPerUserMax, checksLogins ? SESSIONS_PER_USER_MAX : 0),
    address: {
      ...rules('limits.sessionsPerAddressMax', sessionsPerAddressMax, SESSIONS_PER_ADDRESS_MAX),
      onHalf: (account, sessions) => log.warn({ account, sessions }, NEAR_LIMIT),
    },
  };
}
