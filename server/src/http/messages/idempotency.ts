/**
 * Safe retries of requests (header `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header). A repeated request
 * with the same key within `idempotencyMs` receives the first response, and nothing is published again. If the first
 * request is still running, the repeated one waits for its response.
 *
 * The responses are kept only in this process, so another relay does not know them. Their number and size are bounded:
 * beyond the limits the user whose responses take the most memory loses the oldest of them.
 */
import { refusal } from '../problem-codes.js';

export interface IdempotencyOptions {
  readonly idempotencyMs: number;
  readonly idempotencyMaxCount: number;
  readonly idempotencyMaxBytes: number;
}

export interface IdempotentRequest {
  /** Keys of different users are independent. */
  readonly user: string;
  readonly key: string;
  /** Hash of the request; equal requests have equal fingerprints. */
  readonly fingerprint: string;
}

interface Entry<T> {
  readonly user: string;
  readonly fingerprint: string;
  readonly expiresAt: number;
  bytes: number;
  /** The last answer that is final at least in part. */
  answer: T | undefined;
  pending: Promise<T> | undefined;
}

/** The entries of a user. */
interface Holding {
  /** Oldest first. */
  readonly ids: Set<string>;
  bytes: number;
}

/** Estimated memory of an entry, without id and answer. */
const OVERHEAD_BYTES = 500;

export class Idempotency<T> {
  private readonly entries = new Map<string, Entry<T>>();
  private readonly users = new Map<string, Holding>();
  private bytes = 0;

  constructor(
    private readonly options: IdempotencyOptions,
    /** Estimates the size of an answer; undefined for an answer without any final part, which is not kept. */
    private readonly sizeOf: (answer: T) => number | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get size(): number {
    return this.entries.size;
  }

  get heldBytes(): number {
    return this.bytes;
  }

  /**
   * `perform` receives the earlier answer to this request, if any, and must repeat only its parts that are not final.
   * Throws `idempotency-key-reused` if the key belongs to a different request.
   */
  async once(
    { user, key, fingerprint }: IdempotentRequest,
    perform: (earlier: T | undefined) => Promise<T>,
  ): Promise<{ readonly answer: T; readonly isReplayed: boolean }> {
    this.forgetExpired();
    const id = JSON.stringify([user, key]);
    const known = this.entries.get(id);
    if (known && known.fingerprint !== fingerprint) {
      throw refusal(
        'idempotency-key-reused',
        'This Idempotency-Key belongs to a different request: use a new key for each request.',
      );
    }
    if (known?.pending) return { answer: await known.pending, isReplayed: true };
    const entry = known ?? this.add(id, user, fingerprint);
    const isReplayed = entry.answer !== undefined;
    entry.pending = perform(entry.answer);
    try {
      const answer = await entry.pending;
      this.keep(id, entry, answer);
      return { answer, isReplayed };
    } catch (error) {
      if (entry.answer === undefined) this.forget(id, entry);
      throw error;
    } finally {
      entry.pending = undefined;
    }
  }

  private add(id: string, user: string, fingerprint: string): Entry<T> {
    this.makeRoom();
    const bytes = OVERHEAD_BYTES + 2 * id.length;
    const expiresAt = this.now() + this.options.idempotencyMs;
    const entry: Entry<T> = { user, fingerprint, expiresAt, bytes, answer: undefined, pending: undefined };
    this.entries.set(id, entry);
    const holding = this.users.get(user) ?? { ids: new Set(), bytes: 0 };
    holding.ids.add(id);
    this.users.set(user, holding);
    this.grow(user, bytes);
    return entry;
  }

  private keep(id: string, entry: Entry<T>, answer: T): void {
    const bytes = this.sizeOf(answer);
    if (bytes === undefined) return this.forget(id, entry);
    if (entry.answer === undefined) {
      entry.bytes += bytes;
      this.grow(entry.user, bytes);
    }
    entry.answer = answer;
  }

  private grow(user: string, bytes: number): void {
    const holding = this.users.get(user);
    if (holding) holding.bytes += bytes;
    this.bytes += bytes;
  }

  private makeRoom(): void {
    const { idempotencyMaxCount, idempotencyMaxBytes } = this.options;
    while (this.entries.size >= idempotencyMaxCount || this.bytes >= idempotencyMaxBytes) {
      const id = this.firstSettled(this.largest?.ids ?? []) ?? this.firstSettled(this.entries.keys());
      const entry = id === undefined ? undefined : this.entries.get(id);
      if (id === undefined || !entry) return; // all are pending; the limit of connections bounds those
      this.forget(id, entry);
    }
  }

  /** Looks at all users, of which there are at most `idempotencyMaxCount`. */
  private get largest(): Holding | undefined {
    let largest: Holding | undefined;
    for (const holding of this.users.values()) if (holding.bytes > (largest?.bytes ?? 0)) largest = holding;
    return largest;
  }

  private firstSettled(ids: Iterable<string>): string | undefined {
    for (const id of ids) if (!this.entries.get(id)?.pending) return id;
    return undefined;
  }

  /** The entries are ordered by their expiry. */
  private forgetExpired(): void {
    const now = this.now();
    for (const [id, entry] of this.entries) {
      if (entry.expiresAt > now) return;
      if (!entry.pending) this.forget(id, entry);
    }
  }

  private forget(id: string, entry: Entry<T>): void {
    if (this.entries.get(id) !== entry) return;
    this.entries.delete(id);
    const holding = this.users.get(entry.user);
    this.grow(entry.user, -entry.bytes);
    if (holding?.ids.delete(id) && holding.ids.size === 0) this.users.delete(entry.user);
  }
}
