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
}

export class Transaction {
  readonly steps: TransactionStep[] = [];
  /** True if a frame of the transaction was refused; then COMMIT is refused too. */
  hasFailed = false;
  private bytes = 0;
  private count = 0;

  constructor(
    readonly id: string,
    private readonly options: TransactionOptions,
  ) {}

  markFailed(): void {
    this.hasFailed = true;
  }

  /** Counts a frame when it arrives, before its checks, so that the bound includes frames whose checks are pending. */
  reserve(bytes: number): void {
    const { transactionMaxCount, transactionMaxBytes } = this.options;
    this.count++;
    this.bytes += bytes;
    if (this.count > transactionMaxCount || this.bytes > transactionMaxBytes) {
      throw new StompError(
        'transaction-too-large',
        `Transaction "${this.id}" exceeds transactionMaxCount (${transactionMaxCount} frames) or ` +
          `transactionMaxBytes (${transactionMaxBytes}): commit in smaller parts.`,
      );
    }
  }
}

export class Transactions {
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
        `A session has at most transactionsMax (${this.options.transactionsMax}) open transactions: COMMIT or ABORT one.`,
      );
    }
    this.open.set(id, new Transaction(id, this.options));
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

  /** Removes the transaction; its id is free again. */
  end(id: string): Transaction {
    const transaction = this.get(id);
    this.open.delete(id);
    return transaction;
  }
}
