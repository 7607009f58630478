/**
 * Users whose access was revoked, and when. What was issued up to then is refused for as long as this is remembered
 * (`revocationKeepMs`, which must be as long as tokens live); what is issued later is accepted. A principal that does not
 * say when it was issued, such as a login with a password, counts as issued now: to keep such a user out, take the
 * password away.
 */
import type { Principal } from './auth.js';

export interface Revocation {
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly revokedAtMs: number;
  /** For operators; clients are not told. */
  readonly reason?: string;
}

/** Defaults and ranges are in `config/auth-options.ts`. */
export interface RevocationsOptions {
  /** The oldest are forgotten. */
  readonly revocationsMax: number;
  readonly revocationKeepMs: number;
}

const USER_MAX_BYTES = 200;
const REASON_MAX_BYTES = 500;

/** Why this cannot be revoked, in a sentence; undefined: it can. */
export function checkRevocation({
  user,
  reason,
}: {
  readonly user: unknown;
  readonly reason?: unknown;
}): string | undefined {
  if (!isText(user, USER_MAX_BYTES) || user === '') {
    return `user must be the name of a user: 1 to ${USER_MAX_BYTES} bytes, none of them control characters.`;
  }
  if (reason === undefined || isText(reason, REASON_MAX_BYTES)) return undefined;
  return `reason must be a text of at most ${REASON_MAX_BYTES} bytes, none of them control characters.`;
}

/** Control characters, and halves of surrogate pairs, are not text. */
function isText(value: unknown, maxBytes: number): boolean {
  return typeof value === 'string' && Buffer.byteLength(value) <= maxBytes && !/[\p{Cc}\p{Cs}]/u.test(value);
}

interface Entry {
  readonly revocation: Revocation;
  /** Which one it was of those learned here. */
  readonly number: number;
}

export class Revocations {
  /** In the order in which they were learned. */
  private readonly entries = new Map<string, Entry>();
  private count = 0;

  constructor(
    private readonly options: RevocationsOptions,
    /** Told of a user whose old tokens are accepted again, because there are too many others. */
    private readonly onForgotten: (user: string) => void = () => undefined,
    private readonly now: () => number = Date.now,
  ) {}

  /** How many were learned so far: for `refuses`, to be read before somebody is asked who a client is. */
  get learned(): number {
    return this.count;
  }

  /** False where it is known already, or a later one of the same user. */
  add(revocation: Revocation): boolean {
    const { user, revokedAtMs } = revocation;
    const known = this.entries.get(user);
    if (this.isOver(revocation) || (known && known.revocation.revokedAtMs >= revokedAtMs)) return false;
    this.entries.delete(user);
    this.entries.set(user, { revocation, number: ++this.count });
    this.prune();
    return true;
  }

  get(user: string): Revocation | undefined {
    return this.entries.get(user)?.revocation;
  }

  /** `learned`: what it was when this principal's login began. What was learned since then has come in between. */
  refuses({ name, anonymous, issuedAtMs }: Principal, learned = this.count): boolean {
    const entry = anonymous ? undefined : this.entries.get(name);
    if (!entry || this.isOver(entry.revocation)) return false;
    return entry.number > learned || (issuedAtMs !== undefined && issuedAtMs <= entry.revocation.revokedAtMs);
  }

  *all(): Iterable<Revocation> {
    for (const { revocation } of this.entries.values()) if (!this.isOver(revocation)) yield revocation;
  }

  private prune(): void {
    for (const [user, { revocation }] of this.entries) {
      const isOver = this.isOver(revocation);
      if (!isOver && this.entries.size <= this.options.revocationsMax) return;
      this.entries.delete(user);
      if (!isOver) this.onForgotten(user);
    }
  }

  private isOver({ revokedAtMs }: Revocation): boolean {
    return this.now() - revokedAtMs >= this.options.revocationKeepMs;
  }
}
