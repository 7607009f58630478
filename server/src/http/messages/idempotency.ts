/**
 * Requests that may be made twice (header `Idempotency-Key`, draft-ietf-httpapi-idempotency-key-header): who comes again with
 * the same key within `idempotencyMs` is given the first answer, and nothing is published. Who comes while the first is still
 * being answered waits for it.
 *
 * Kept in this process only: a client that is sent to another relay is not recognised. What is kept is bounded; beyond that
 * the oldest answers of the same user are forgotten, or, where it has no others, the oldest of all.
 */
import { refusal } from '../problem-codes.js';

export interface IdempotencyOptions {
  readonly idempotencyMs: number;
  readonly idempotencyMaxCount: number;
  readonly idempotencyMaxBytes: number;
}

export interface IdempotentRequest {
  /** Whose key it is. */
  readonly user: string;
  readonly key: string;
  /** Equal for equal requests. */
  readonly fingerprint: string;
}

interface Entry<T> {
  readonly user: string;
  readonly fingerprint: string;
  readonly expiresAt: number;
  bytes: number;
  /** The last answer that was final in part at least. */
  answer: T | undefined;
  pending: Promise<T> | undefined;
}

/** Map, object and strings, roughly, without the answer. */
const OVERHEAD_BYTES = 500;

export class Idempotency<T> {
  private readonly entries = new Map<string, Entry<T>>();
  /** The ids of each user's entries, in their order: whose turn it is to be forgotten is not searched for among all. */
  private readonly idsOf = new Map<string, Set<string>>();
  private bytes = 0;

  constructor(
    private readonly options: IdempotencyOptions,
    /** Roughly what an answer takes up; undefined where there is nothing final in it: then it is not kept. */
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
   * `perform` is given the answer to the first request, where there is one, and is to do only what that has not settled.
   * Throws `idempotency-key-reused` where the key came with another request before.
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
        'This Idempotency-Key was used for another request: make a new one for each.',
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
    this.makeRoom(user);
    const bytes = OVERHEAD_BYTES + 2 * id.length;
    const expiresAt = this.now() + this.options.idempotencyMs;
    const entry: Entry<T> = { user, fingerprint, expiresAt, bytes, answer: undefined, pending: undefined };
    this.entries.set(id, entry);
    const ids = this.idsOf.get(user) ?? new Set();
    this.idsOf.set(user, ids.add(id));
    this.bytes += bytes;
    return entry;
  }

  private keep(id: string, entry: Entry<T>, answer: T): void {
    const bytes = this.sizeOf(answer);
    if (bytes === undefined) return this.forget(id, entry);
    if (entry.answer === undefined) {
      entry.bytes += bytes;
      this.bytes += bytes;
    }
    entry.answer = answer;
  }

  private makeRoom(user: string): void {
    const { idempotencyMaxCount, idempotencyMaxBytes } = this.options;
    while (this.entries.size >= idempotencyMaxCount || this.bytes >= idempotencyMaxBytes) {
      const id = this.firstSettled(this.idsOf.get(user) ?? []) ?? this.firstSettled(this.entries.keys());
      const entry = id === undefined ? undefined : this.entries.get(id);
      if (id === undefined || !entry) return; // all are under way: their connections bound them
      this.forget(id, entry);
    }
  }

  private firstSettled(ids: Iterable<string>): string | undefined {
    for (const id of ids) if (!this.entries.get(id)?.pending) return id;
    return undefined;
  }

  /** Entries stand in the order of their end. */
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
    const ids = this.idsOf.get(entry.user);
    if (ids?.delete(id) && ids.size === 0) this.idsOf.delete(entry.user);
    this.bytes -= entry.bytes;
  }
}
