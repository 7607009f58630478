/** BEGIN, COMMIT and ABORT. SEND, ACK and NACK add their steps to a transaction. */
import { settle } from '../../delivery/acks.js';
import type { Claim } from '../../delivery/acks.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { receipt, sendReceipt } from '../replies.js';
import type { ConfirmedWork, QueuedWork } from '../send-queue.js';
import type { Transaction, TransactionStep } from '../transactions.js';
import { beginBatch, FRAME_OVERHEAD_BYTES, required } from './command.js';
import type { CommandSession } from './command.js';

type SendStep = Extract<TransactionStep, { kind: 'send' }>;

/**
 * Up to this many steps are applied in the turn that reads COMMIT, so that its RECEIPT precedes those of later frames.
 */
const STEPS_AT_ONCE = 100;

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
  private readonly begun: Promise<void>[] = [];
  /** The broker took too long for a step. The steps after it do not wait as long again. */
  private obstacle: unknown;
  private readonly failures = new Map<TransactionStep, unknown>();

  constructor(
    private readonly session: CommandSession,
    private readonly frame: Frame,
    private readonly transaction: Transaction,
  ) {
    this.bytes = FRAME_OVERHEAD_BYTES + transaction.bytes;
  }

  /** A step begins when the step before it is published, which keeps their order. */
  start(): Promise<void> | undefined {
    const { steps, hasFailed } = this.transaction;
    if (hasFailed) {
      this.refuseAll();
      return undefined;
    }
    if (steps.length > STEPS_AT_ONCE) return this.applyFrom(0);
    for (let i = 0; i < steps.length; i++) {
      const waiting = this.whenReady(steps[i]!);
      if (waiting) return this.applyFrom(i, waiting);
      this.begun.push(this.apply(steps[i]!));
    }
    this.track();
    return undefined;
  }

  /** `firstReady`: the wait of the first of these steps, if it has begun already. */
  private async applyFrom(first: number, firstReady?: Promise<void>): Promise<void> {
    const { steps } = this.transaction;
    const batch = beginBatch(this.session);
    for (let i = first; i < steps.length; i++) {
      if (i - first >= STEPS_AT_ONCE) await batch.pause();
      const waiting = i === first && firstReady ? firstReady : this.whenReady(steps[i]!);
      if (waiting) await waiting;
      this.begun.push(this.apply(steps[i]!));
    }
    this.track();
  }

  /** Waits for room at the broker, as a SEND outside of a transaction does. */
  private whenReady(step: TransactionStep): Promise<void> | undefined {
    if (step.kind === 'settle') return undefined;
    const failed = (error: unknown): void => {
      this.failures.set(step, error);
      if ((error as { code?: unknown }).code === 'broker-unavailable') this.obstacle = error;
    };
    if (this.obstacle !== undefined) {
      failed(this.obstacle);
      return undefined;
    }
    try {
      return step.send.renew()?.catch(failed);
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  /** Applies nothing, because a frame of the transaction was refused. */
  private refuseAll(): void {
    const { id, steps } = this.transaction;
    const sentence = `Nothing of transaction "${id}" was applied: one of its frames was refused.`;
    const error = new StompError('commit-failed', sentence);
    this.session.refuse(error, this.frame);
    this.session.resources.acks.restore(claimsOf(this.transaction));
    for (const step of steps) if (step.kind === 'send') this.refuseSend(error, step);
  }

  private async apply(step: TransactionStep): Promise<void> {
    if (this.failures.has(step)) return;
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
  private track(): void {
    const { steps } = this.transaction;
    // Without a pending confirm the RECEIPT precedes those of later frames.
    if (steps.every(({ kind }) => kind === 'settle')) return this.confirmed();
    const all = Promise.all(this.begun).then(() => {
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
    this.session.resources.acks.restore(claimsOf(this.transaction));
    for (const step of this.transaction.steps) if (step.kind === 'send') sendReceipt(this.session, step.receipt);
    receipt(this.session, this.frame);
  }

  failed(error: unknown): boolean {
    return this.session.refuse(error, this.frame);
  }
}

function claimsOf({ steps }: Transaction): Claim[] {
  return steps.flatMap((step) => (step.kind === 'settle' ? [step.claim] : []));
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
