/**
 * Transactions of one session (STOMP 1.2, "BEGIN"). They hold SENDs, ACKs and NACKs until COMMIT; each frame is checked
 * when it arrives. Their number, frames and bytes are bounded. The end of the session aborts open transactions.
 */
import type { Outcome } from '../brokers/broker.js';
import type { Claim } from '../delivery/acks.js';
import type { Send } from '../publishing/send.js';
import { StompError } from '../stomp/errors.js';

export type TransactionStep =
  | {
      readonly kind: 'send';
      readonly send: Send;
      /** The value of the SEND's header `receipt`. */
      readonly receipt: string | undefined;
    }
  | { readonly kind: 'settle'; readonly claim: Claim; readonly outcome: Outcome };

export interface TransactionOptions {
  readonly transactionsMax: number;
  readonly transactionMaxCount: number;
  readonly transactionMaxBytes: number;
  /** All open transactions of a session together. */
  readonly transactionsMaxBytes: number;
}

export class Transaction {
  readonly steps: TransactionStep[] = [];
  /** True if a frame of the transaction was refused; then COMMIT is refused too. */
  hasFailed = false;
  private frameBytes = 0;
  private count = 0;

  constructor(
    readonly id: string,
    private readonly options: TransactionOptions,
    /** All open transactions of the session. */
    private readonly all: { heldBytes: number },
  ) {}

  /** The memory of its frames. */
  get bytes(): number {
    return this.frameBytes;
  }

  markFailed(): void {
    this.hasFailed = true;
  }

  /** Counts a frame when it arrives, before its checks, so that the bound includes frames whose checks are pending. */
  reserve(bytes: number): void {
    const { transactionMaxCount, transactionMaxBytes, transactionsMaxBytes } = this.options;
    this.count++;
    this.frameBytes += bytes;
    this.all.heldBytes += bytes;
    if (this.count > transactionMaxCount || this.bytes > transactionMaxBytes) {
      throw new StompError(
        'transaction-too-large',
        `Transaction "${this.id}" exceeds session.transactionMaxCount (${transactionMaxCount} frames) or ` +
          `session.transactionMaxBytes (${transactionMaxBytes}): commit in smaller parts.`,
      );
    }
    if (this.all.heldBytes > transactionsMaxBytes) {
      throw new StompError(
        'transaction-too-large',
        `The open transactions of this session exceed session.transactionsMaxBytes (${transactionsMaxBytes}) together: COMMIT or ` +
          'ABORT one before you add to another.',
      );
    }
  }
}

export class Transactions {
  /** The memory of all open transactions. */
  heldBytes = 0;
  private readonly open = new Map<string, Transaction>();

  constructor(private readonly options: TransactionOptions) {}

  begin(id: string): void {
    // STOMP 1.2, "BEGIN": different transactions MUST use different transaction identifiers
    if (this.open.has(id)) {
      throw new StompError('transaction-in-use', `Transaction "${id}" is open already: COMMIT or ABORT it first.`);
    }
    if (this.open.size >= this.options.transactionsMax) {
      throw new StompError(
        'too-many-transactions',
        `A session has at most session.transactionsMax (${this.options.transactionsMax}) open transactions: COMMIT or ABORT one.`,
      );
    }
    this.open.set(id, new Transaction(id, this.options, this));
  }

  get(id: string): Transaction {
    const transaction = this.open.get(id);
    if (!transaction) {
      throw new StompError('unknown-transaction', `There is no open transaction "${id}": BEGIN it first.`);
    }
    return transaction;
  }

  all(): Iterable<Transaction> {
    return this.open.values();
  }

  /** The session has ended. */
  clear(): void {
    this.open.clear();
    this.heldBytes = 0;
  }

  /** Removes the transaction; its id is free again. */
  end(id: string): Transaction {
    const transaction = this.get(id);
    this.open.delete(id);
    this.heldBytes -= transaction.bytes;
    return transaction;
  }
}
