/**
 * ACK and NACK. NACK with `requeue:false` drops the message, or dead-letters it if the queue has a dead-letter
 * exchange.
 */
import type { Outcome } from '../../brokers/broker.js';
import { settle } from '../../delivery/acks.js';
import type { Claim } from '../../delivery/acks.js';
import type { Frame } from '../../stomp/frame.js';
import { receipt } from '../replies.js';
import { FRAME_OVERHEAD_BYTES, isFalse, required } from './command.js';
import type { CommandSession } from './command.js';
import { transactionOf } from './transaction.js';

export function acknowledge(session: CommandSession, frame: Frame): void {
  const transaction = transactionOf(session, frame);
  let claim: Claim;
  try {
    transaction?.reserve(FRAME_OVERHEAD_BYTES);
    claim = claimOf(session, frame);
  } catch (error) {
    transaction?.markFailed();
    throw error;
  }
  const outcome = outcomeOf(frame);
  if (transaction) transaction.steps.push({ kind: 'settle', claim, outcome });
  else settle(claim, outcome);
  receipt(session, frame);
}

function outcomeOf({ command, headers }: Frame): Outcome {
  if (command === 'ACK') return 'ack';
  return isFalse(headers.get('requeue')) ? 'drop' : 'requeue';
}

/** A message is identified by `id` in STOMP 1.2, by `message-id` and `subscription` in 1.1, by `message-id` in 1.0. */
function claimOf({ version, resources }: CommandSession, frame: Frame): Claim {
  if (version === '1.2') return resources.acks.claim(required(frame, 'id'), undefined);
  return resources.acks.claim(required(frame, 'message-id'), frame.headers.get('subscription'));
}
