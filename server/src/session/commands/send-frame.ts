/**
 * SEND. Other frames never wait for it, except for a SEND to `/relay/auth` or `/relay/flush`. It enters the session's
 * send queue, waits there for its checks, and is published or added to its transaction.
 */
import { Send } from '../../publishing/send.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { receipt } from '../replies.js';
import type { ConfirmedWork, QueuedWork } from '../send-queue.js';
import type { Transaction } from '../transactions.js';
import { check, CHECK_DESTINATION } from './check.js';
import { FRAME_OVERHEAD_BYTES, isTrue, required } from './command.js';
import type { Command, CommandSession } from './command.js';
import { flush, FLUSH_DESTINATION } from './flush.js';
import { AUTH_DESTINATION, renew } from './renew.js';
import { transactionOf } from './transaction.js';

/** The relay itself handles a SEND to these, and publishes nothing. */
const AT_ONCE: Readonly<Record<string, Command>> = {
  [AUTH_DESTINATION]: renew,
  [FLUSH_DESTINATION]: flush,
  [CHECK_DESTINATION]: check,
};

export function send(session: CommandSession, frame: Frame): Promise<void> | void {
  const transaction = transactionOf(session, frame);
  const destination = frame.headers.get('destination');
  const atOnce = destination?.startsWith('/relay/') === true ? AT_ONCE[destination] : undefined;
  if (atOnce) {
    if (!transaction) return atOnce(session, frame);
    transaction.markFailed();
    throw new StompError('invalid-header', `${destination} takes effect at once: leave out the transaction.`);
  }
  let work: SendWork;
  try {
    work = new SendWork(session, frame, transaction);
    transaction?.reserve(work.bytes);
  } catch (error) {
    transaction?.markFailed();
    session.refuse(error, frame);
    return;
  }
  // next: session/send-queue
  session.sendQueue.add(work);
}

/** A SEND in the send queue. */
class SendWork implements QueuedWork, ConfirmedWork {
  readonly bytes: number;
  private readonly send: Send;

  /** Throws a DestinationError. */
  constructor(
    private readonly session: CommandSession,
    private readonly frame: Frame,
    private readonly transaction: Transaction | undefined,
  ) {
    const { headers, body } = frame;
    const destination = required(frame, 'destination');
    this.send = new Send({ destination, headers, body, mandatory: isTrue(headers.get('mandatory')) }, session);
    this.bytes = this.send.bytes + FRAME_OVERHEAD_BYTES;
  }

  start(): Promise<void> | undefined {
    const { session } = this;
    const checking = this.send.check(session, (queue) => session.resources.tempQueues.address(queue));
    if (checking) return checking.then(() => this.proceed());
    this.proceed();
    return undefined;
  }

  private proceed(): void {
    const { session, frame, send, transaction } = this;
    if (transaction) transaction.steps.push({ kind: 'send', send, receipt: frame.headers.get('receipt') });
    else session.sendQueue.track(send.publish(), this);
  }

  /** The RECEIPT follows the broker's confirm. */
  confirmed(): void {
    receipt(this.session, this.frame);
  }

  /** STOMP 1.2, "SEND": if the server cannot process it for any reason, it MUST send ERROR and close. */
  failed(error: unknown): boolean {
    this.transaction?.markFailed();
    return this.session.refuse(error, this.frame);
  }
}
