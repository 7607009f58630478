/**
 * Logins that were found right a moment ago, so that a crowd that comes back at once does not have to be checked one by
 * one; and those that are being checked, so that the same one is checked once. Nothing of what a client presents is kept:
 * only its HMAC, with a key that no other process has. Who was refused is asked about again.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Principal } from '../auth.js';

/** How many are remembered; then the oldest is forgotten. */
const REMEMBERED_MAX = 10_000;

interface Remembered {
  readonly principal: Principal;
  readonly untilMs: number;
}

export class LoginCache {
  private readonly key = randomBytes(32);
  /** The oldest first. */
  private known = new Map<string, Remembered>();
  private asked = new Map<string, Promise<Principal | undefined>>();

  /** 0: nothing is remembered, and each login is checked for itself. */
  constructor(
    private readonly cacheMs: number,
    private readonly rememberedMax = REMEMBERED_MAX,
  ) {}

  /** `presented`: all that the answer depends on. `ask` is called where nobody knows it. */
  answer(
    presented: readonly (string | undefined)[],
    ask: () => Promise<Principal | undefined>,
  ): Promise<Principal | undefined> {
    if (this.cacheMs === 0) return ask();
    const digest = createHmac('sha256', this.key).update(JSON.stringify(presented)).digest('base64');
    const remembered = this.known.get(digest);
    if (remembered && remembered.untilMs > Date.now()) return Promise.resolve(remembered.principal);
    return this.asked.get(digest) ?? this.ask(digest, ask);
  }

  /** Also of what is being asked now, nothing will be remembered. */
  clear(): void {
    this.known = new Map();
    this.asked = new Map();
  }

  private ask(digest: string, ask: () => Promise<Principal | undefined>): Promise<Principal | undefined> {
    const { known, asked } = this; // clear() puts others in their place
    const answer = ask()
      .then((principal) => {
        if (principal) this.remember(known, digest, principal);
        return principal;
      })
      .finally(() => asked.delete(digest));
    asked.set(digest, answer);
    return answer;
  }

  private remember(known: Map<string, Remembered>, digest: string, principal: Principal): void {
    known.delete(digest); // so that it goes to the end
    const [oldest] = known.keys();
    if (known.size >= this.rememberedMax && oldest !== undefined) known.delete(oldest);
    const { expiresAtMs = Infinity } = principal;
    known.set(digest, { principal, untilMs: Math.min(Date.now() + this.cacheMs, expiresAtMs) });
  }
}
