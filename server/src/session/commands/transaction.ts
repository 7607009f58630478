/** BEGIN, COMMIT and ABORT. What a transaction holds is put there by SEND, ACK and NACK (`commands.ts`). */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { settle } from '../../delivery/acks.js';
import { type CommandSession, FRAME_OVERHEAD_BYTES, required } from './command.js';
import type { Transaction, TransactionStep } from '../transactions.js';

type SendStep = Extract<TransactionStep, { kind: 'send' }>;

/** A few milliseconds of work. */
const STEPS_A_TURN = 100;

export function begin(session: CommandSession, frame: Frame): void {
  session.transactions.begin(required(frame, 'transaction'));
  session.receipt(frame);
}

/** The id is free at once; the steps are applied behind the SENDs that came before, whose checks may still be waited for. */
export function commit(session: CommandSession, frame: Frame): void {
  const transaction = session.transactions.end(required(frame, 'transaction'));
  const apply = (): Promise<void> | undefined =>
    transaction.hasFailed ? refuseSteps(session, frame, transaction) : applySteps(session, frame, transaction);
  session.sendQueue.add(apply, FRAME_OVERHEAD_BYTES, (error) => session.refuse(error, frame));
}

/** All of it or, where one of its frames was refused, none. */
function refuseSteps(session: CommandSession, frame: Frame, { id, steps }: Transaction): undefined {
  const sentence = `Nothing of transaction "${id}" was applied: one of its frames was refused.`;
  const error = new StompError('commit-failed', sentence);
  session.refuse(error, frame);
  for (const step of steps) {
    if (step.kind === 'settle') session.acks.restore(step.claim);
    else refuseSend(session, error, step);
  }
}

/** Its RECEIPT would have come with the transaction's. */
function refuseSend(session: CommandSession, error: unknown, { destination, receipt }: SendStep): void {
  if (receipt === undefined) return;
  const headers = new Map([
    ['destination', destination.text],
    ['receipt', receipt],
  ]);
  session.refuse(error, { command: 'SEND', headers });
}

/** All steps in order. The RECEIPT waits for all confirms; a failure says how many steps had been applied by then. */
function applySteps(session: CommandSession, frame: Frame, { id, steps }: Transaction): Promise<void> | undefined {
  let applied = 0;
  const failures = new Map<TransactionStep, unknown>();
  const apply = async (step: TransactionStep): Promise<void> => {
    try {
      if (step.kind === 'settle') {
        settle(step.claim, step.outcome);
      } else {
        const { destination, message, mandatory, receipt } = step;
        await session.broker.publish(destination, message, { mandatory, user: session.userName });
        session.sendReceipt(receipt);
      }
      applied++;
    } catch (error) {
      failures.set(step, error);
    }
  };
  const failed = (cause: unknown): boolean => {
    const sentence = `${applied} of the ${steps.length} steps of transaction "${id}" were applied; then: ${reason(cause)}`;
    const livesOn = session.refuse(new StompError('commit-failed', sentence, { cause }), frame);
    const failedSteps = livesOn ? steps.filter((step) => failures.has(step)) : [];
    for (const step of failedSteps) if (step.kind === 'send') refuseSend(session, failures.get(step), step);
    return livesOn;
  };
  const track = (begun: readonly Promise<void>[]): void => {
    // Nothing to wait for: its RECEIPT comes before those of later frames
    if (steps.every(({ kind }) => kind === 'settle')) return session.receipt(frame);
    const all = Promise.all(begun).then(() => {
      const first = steps.find((step) => failures.has(step));
      if (first) throw failures.get(first);
    });
    session.sendQueue.track(all, () => session.receipt(frame), failed);
  };
  // Each runs at once as far as to its confirm, so that their order is that of the steps.
  if (steps.length > STEPS_A_TURN) return inTurns(steps, apply).then(track);
  track(steps.map(apply));
}

/** Begins `work` on each step in order, so many in a turn of the event loop: resolves with what it has begun. */
async function inTurns<T>(steps: readonly TransactionStep[], work: (step: TransactionStep) => T): Promise<T[]> {
  const begun: T[] = [];
  for (const step of steps) {
    if (begun.length > 0 && begun.length % STEPS_A_TURN === 0) await nextTurn();
    begun.push(work(step));
  }
  return begun;
}

export function abort(session: CommandSession, frame: Frame): void {
  const transaction = session.transactions.end(required(frame, 'transaction'));
  const undo = (): undefined => {
    for (const step of transaction.steps) {
      if (step.kind === 'settle') session.acks.restore(step.claim);
      else session.sendReceipt(step.receipt);
    }
    session.receipt(frame);
  };
  session.sendQueue.add(undo, FRAME_OVERHEAD_BYTES, (error) => session.refuse(error, frame));
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
