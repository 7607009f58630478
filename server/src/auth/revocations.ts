/**
 * Remembers revocations of users for `revocationKeepMs`, which must be at least the lifetime of tokens. The relay
 * refuses tokens issued up to a revocation, and accepts later ones. A principal without a time of issue, such as a
 * login with a password, counts as issued now. To lock out such a user, remove the password.
 */
import type { Principal } from './auth.js';

export interface Revocation {
  readonly user: string;
  /** Milliseconds since 1970. */
  readonly revokedAtMs: number;
  /** For operators; clients never see it. */
  readonly reason?: string;
}

/** Defaults and ranges are in `config/auth-options.ts`. */
export interface RevocationsOptions {
  /** Beyond this number the oldest revocation is removed. */
  readonly revocationsMax: number;
  readonly revocationKeepMs: number;
}

const USER_MAX_BYTES = 200;
const REASON_MAX_BYTES = 500;

/** Returns a sentence about an invalid user or reason; undefined if both are valid. */
export function checkRevocation({
  user,
  reason,
}: {
  readonly user: unknown;
  readonly reason?: unknown;
}): string | undefined {
  if (!isText(user, USER_MAX_BYTES) || user === '') {
    return `user must be the name of a user: 1 to ${USER_MAX_BYTES} bytes without control characters.`;
  }
  if (reason === undefined || isText(reason, REASON_MAX_BYTES)) return undefined;
  return `reason must be a text of at most ${REASON_MAX_BYTES} bytes without control characters.`;
}

/** Refuses control characters and halves of surrogate pairs. */
function isText(value: unknown, maxBytes: number): boolean {
  return typeof value === 'string' && Buffer.byteLength(value) <= maxBytes && !/[\p{Cc}\p{Cs}]/u.test(value);
}

interface Entry {
  readonly revocation: Revocation;
  /** Sequence number: the value of `learned` after it was added. */
  readonly number: number;
}

export class Revocations {
  /** Entries in the order in which they were added. */
  private readonly entries = new Map<string, Entry>();
  private count = 0;

  constructor(
    private readonly options: RevocationsOptions,
    /** Called when `revocationsMax` removes a revocation early, so that old tokens of `user` are accepted again. */
    private readonly onForgotten: (user: string) => void = () => undefined,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * Number of revocations added so far. Read it before an authentication starts, and pass it to `refuses` afterwards.
   */
  get learned(): number {
    return this.count;
  }

  /** Returns false if this revocation, or a later one of the same user, is already known. */
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

  /** `learned` is its value at the start of the authentication. A revocation added since then refuses the principal. */
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
