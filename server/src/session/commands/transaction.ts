/** BEGIN, COMMIT and ABORT. SEND, ACK and NACK add their steps to a transaction. */
import { settle } from '../../delivery/acks.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { inTurns } from '../../timing/turn-budget.js';
import { receipt, sendReceipt } from '../replies.js';
import type { ConfirmedWork, QueuedWork } from '../send-queue.js';
import type { Transaction, TransactionStep } from '../transactions.js';
import { FRAME_OVERHEAD_BYTES, required } from './command.js';
import type { CommandSession } from './command.js';

type SendStep = Extract<TransactionStep, { kind: 'send' }>;

/**
 * Up to this many steps are applied in the turn that reads COMMIT, so that its RECEIPT precedes those of later frames.
 */
const STEPS_AT_ONCE = 100;
const TURN_MS = 5;

/** The open transaction that a frame names, if it names one. Throws StompError `unknown-transaction`. */
export function transactionOf({ resources }: CommandSession, { headers }: Frame): Transaction | undefined {
  const id = headers.get('transaction');
  return id === undefined ? undefined : resources.transactions.get(id);
}

export function begin(session: CommandSession, frame: Frame): void {
  session.resources.transactions.begin(required(frame, 'transaction'));
  receipt(session, frame);
}

/** The id is free at once. The steps are applied after earlier SENDs, whose checks may still be pending. */
export function commit(session: CommandSession, frame: Frame): void {
  const transaction = session.resources.transactions.end(required(frame, 'transaction'));
  session.sendQueue.add(new Commit(session, frame, transaction));
}

export function abort(session: CommandSession, frame: Frame): void {
  const transaction = session.resources.transactions.end(required(frame, 'transaction'));
  session.sendQueue.add(new Abort(session, frame, transaction));
}

class Commit implements QueuedWork, ConfirmedWork {
  readonly bytes: number;
  private applied = 0;
  private readonly failures = new Map<TransactionStep, unknown>();

  constructor(
    private readonly session: CommandSession,
    private readonly frame: Frame,
    private readonly transaction: Transaction,
  ) {
    this.bytes = FRAME_OVERHEAD_BYTES + transaction.bytes;
  }

  /** Each step runs synchronously up to its confirm, which keeps the order of the steps. */
  start(): Promise<void> | undefined {
    const { steps, hasFailed } = this.transaction;
    const apply = (step: TransactionStep): Promise<void> => this.apply(step);
    if (!hasFailed && steps.length > STEPS_AT_ONCE) {
      return inTurns(steps, TURN_MS, apply).then((begun) => this.track(begun));
    }
    if (hasFailed) this.refuseAll();
    else this.track(steps.map(apply));
    return undefined;
  }

  /** Applies nothing, because a frame of the transaction was refused. */
  private refuseAll(): void {
    const { id, steps } = this.transaction;
    const sentence = `Nothing of transaction "${id}" was applied: one of its frames was refused.`;
    const error = new StompError('commit-failed', sentence);
    this.session.refuse(error, this.frame);
    for (const step of steps) {
      if (step.kind === 'settle') this.session.resources.acks.restore(step.claim);
      else this.refuseSend(error, step);
    }
  }

  private async apply(step: TransactionStep): Promise<void> {
    try {
      if (step.kind === 'settle') {
        settle(step.claim, step.outcome);
      } else {
        await step.send.publish();
        sendReceipt(this.session, step.receipt);
      }
      this.applied++;
    } catch (error) {
      this.failures.set(step, error);
    }
  }

  /** The RECEIPT waits for all confirms. */
  private track(begun: readonly Promise<void>[]): void {
    const { steps } = this.transaction;
    // Without a pending confirm the RECEIPT precedes those of later frames.
    if (steps.every(({ kind }) => kind === 'settle')) return this.confirmed();
    const all = Promise.all(begun).then(() => {
      const first = steps.find((step) => this.failures.has(step));
      if (first) throw this.failures.get(first);
    });
    this.session.sendQueue.track(all, this);
  }

  confirmed(): void {
    receipt(this.session, this.frame);
  }

  failed(cause: unknown): boolean {
    const { id, steps } = this.transaction;
    const sentence = `${this.applied} of the ${steps.length} steps of transaction "${id}" were applied; then: ${reason(cause)}`;
    const survives = this.session.refuse(new StompError('commit-failed', sentence, { cause }), this.frame);
    const failedSteps = survives ? steps.filter((step) => this.failures.has(step)) : [];
    for (const step of failedSteps) if (step.kind === 'send') this.refuseSend(this.failures.get(step), step);
    return survives;
  }

  /** Answers a SEND that requested a RECEIPT. */
  private refuseSend(error: unknown, { send, receipt: id }: SendStep): void {
    if (id === undefined) return;
    const headers = new Map([
      ['destination', send.destination.text],
      ['receipt', id],
    ]);
    this.session.refuse(error, { command: 'SEND', headers });
  }
}

class Abort implements QueuedWork {
  readonly bytes: number;

  constructor(
    private readonly session: CommandSession,
    private readonly frame: Frame,
    private readonly transaction: Transaction,
  ) {
    this.bytes = FRAME_OVERHEAD_BYTES + transaction.bytes;
  }

  start(): undefined {
    for (const step of this.transaction.steps) {
      if (step.kind === 'settle') this.session.resources.acks.restore(step.claim);
      else sendReceipt(this.session, step.receipt);
    }
    receipt(this.session, this.frame);
  }

  failed(error: unknown): boolean {
    return this.session.refuse(error, this.frame);
  }
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
