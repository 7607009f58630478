/**
 * Remembers accepted logins for a short time, so that many clients that reconnect at once cost no further checks. Equal
 * logins that arrive during a check share it. Refused logins are not remembered.
 *
 * The cache holds no credentials, only their HMAC with a key of this process.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../auth.js';

/** Capacity of the cache; beyond it the least recently used login is removed. */
const REMEMBERED_MAX = 10_000;

export class LoginCache {
  private readonly key = randomBytes(32);
  private known: LRUCache<string, Principal>;
  private pending = new Map<string, Promise<Principal | undefined>>();

  /** With a `cacheMs` of 0 nothing is remembered, and equal logins do not share a check. */
  constructor(
    private readonly cacheMs: number,
    private readonly rememberedMax = REMEMBERED_MAX,
  ) {
    this.known = this.createCache();
  }

  /** `presented` is everything that the answer depends on. Calls `ask` if the answer is not in the cache. */
  answer(
    presented: readonly (string | undefined)[],
    ask: () => Promise<Principal | undefined>,
  ): Promise<Principal | undefined> {
    if (this.cacheMs === 0) return ask();
    const digest = createHmac('sha256', this.key).update(JSON.stringify(presented)).digest('base64');
    const remembered = this.known.get(digest);
    if (remembered && !hasExpired(remembered)) return Promise.resolve(remembered);
    return this.pending.get(digest) ?? this.ask(digest, ask);
  }

  /** Also discards the answers of checks that are still running. */
  clear(): void {
    this.known = this.createCache();
    this.pending = new Map();
  }

  private ask(digest: string, ask: () => Promise<Principal | undefined>): Promise<Principal | undefined> {
    const { known, pending } = this; // clear() replaces both
    const answer = ask()
      .then((principal) => {
        if (principal) known.set(digest, principal);
        return principal;
      })
      .finally(() => pending.delete(digest));
    pending.set(digest, answer);
    return answer;
  }

  private createCache(): LRUCache<string, Principal> {
    return new LRUCache({ max: this.rememberedMax, ttl: this.cacheMs, perf: { now: () => performance.now() } });
  }
}

function hasExpired({ expiresAtMs = Infinity }: Principal): boolean {
  return expiresAtMs <= Date.now();
}
