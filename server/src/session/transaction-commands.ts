/** BEGIN, COMMIT and ABORT. What a transaction holds is put there by SEND, ACK and NACK (`commands.ts`). */
import { StompError } from '../stomp/errors.js';
import type { Frame } from '../stomp/frame.js';
import { settle } from './acks.js';
import { type CommandSession, FRAME_OVERHEAD_BYTES, required } from './command-session.js';
import type { Transaction } from './transactions.js';

export function begin(session: CommandSession, frame: Frame): void {
  session.transactions.begin(required(frame, 'transaction'));
  session.receipt(frame);
}

/** The id is free at once; the steps are applied behind the SENDs that came before, whose checks may still be waited for. */
export function commit(session: CommandSession, frame: Frame): void {
  const transaction = session.transactions.end(required(frame, 'transaction'));
  const apply = (): undefined => {
    applySteps(session, frame, transaction);
  };
  session.sendQueue.add(apply, FRAME_OVERHEAD_BYTES, (error) => session.fail(error, frame));
}

/** All steps in order. The RECEIPT waits for all confirms; a failure says how many steps had been applied by then. */
function applySteps(session: CommandSession, frame: Frame, { id, steps }: Transaction): void {
  let applied = 0;
  // Each runs at once as far as to its confirm, so that their order is that of the steps.
  const confirms = steps.map(async (step) => {
    if (step.kind === 'settle') {
      settle(step.claim, step.outcome);
    } else {
      const { destination, message, mandatory, receipt } = step;
      await session.broker.publish(destination, message, { mandatory });
      session.sendReceipt(receipt);
    }
    applied++;
  });
  const failed = (cause: unknown): void => {
    const sentence = `${applied} of the ${steps.length} steps of transaction "${id}" were applied; then: ${reason(cause)}`;
    session.fail(new StompError('commit-failed', sentence, { cause }), frame);
  };
  const all = Promise.allSettled(confirms).then((results) => {
    const failure = results.find((result) => result.status === 'rejected');
    if (failure) throw failure.reason;
  });
  session.sendQueue.track(all, () => session.receipt(frame), failed);
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
  session.sendQueue.add(undo, FRAME_OVERHEAD_BYTES, (error) => session.fail(error, frame));
}

const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
