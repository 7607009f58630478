/**
 * Logins that were found right a moment ago, so that a crowd that comes back at once does not have to be checked one by
 * one; and those that are being checked, so that the same one is checked once. Nothing of what a client presents is kept:
 * only its HMAC, with a key that no other process has. Who was refused is asked about again.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../auth.js';

/** Logins that are remembered; then the one that was used the longest time ago is forgotten. */
const REMEMBERED_MAX = 10_000;

export class LoginCache {
  private readonly key = randomBytes(32);
  private known: LRUCache<string, Principal>;
  private pending = new Map<string, Promise<Principal | undefined>>();

  /** 0: nothing is remembered, and each login is checked for itself. */
  constructor(
    private readonly cacheMs: number,
    private readonly rememberedMax = REMEMBERED_MAX,
  ) {
    this.known = this.createCache();
  }

  /** `presented`: all that the answer depends on. `ask` is called where nobody knows it. */
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

  /** Also of what is being asked now, nothing will be remembered. */
  clear(): void {
    this.known = this.createCache();
    this.pending = new Map();
  }

  private ask(digest: string, ask: () => Promise<Principal | undefined>): Promise<Principal | undefined> {
    const { known, pending: asked } = this; // clear() puts others in their place
    const answer = ask()
      .then((principal) => {
        if (principal) known.set(digest, principal);
        return principal;
      })
      .finally(() => asked.delete(digest));
    asked.set(digest, answer);
    return answer;
  }

  private createCache(): LRUCache<string, Principal> {
    return new LRUCache({ max: this.rememberedMax, ttl: this.cacheMs, perf: { now: () => Date.now() } });
  }
}

function hasExpired({ expiresAtMs = Infinity }: Principal): boolean {
  return expiresAtMs <= Date.now();
}
