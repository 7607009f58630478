/**
 * The verbs of STOMP, each on one screen: what a client's frame does to its session. By the time a command is called,
 * `stomp/rules` has made sure that it may come now and has the headers that it requires.
 *
 * A command returns nothing when it is done, or a promise when later frames have to wait for it (SUBSCRIBE, DISCONNECT).
 * SEND never holds up other frames (but for one to `/relay/auth`): it goes to the session's send queue. What a command throws or rejects with refuses its
 * frame (`CommandSession.refuse`).
 */
import type { Message } from '../../brokers/broker.js';
import { type Destination, parseDestination, parseReplyTo } from '../../destinations/destination.js';
import type { Frame } from '../../stomp/frame.js';
import { type Claim, settle } from '../../delivery/acks.js';
import { type Command, type CommandSession, FRAME_OVERHEAD_BYTES, isFalse, isTrue, required } from './command.js';
import { messageHeaders, targetSession } from '../../destinations/message-headers.js';
import { furtherPermissionsOfSend } from '../../auth/policy/required-permissions.js';
import { requireSend } from '../../auth/policy/permission.js';
import { AUTH_DESTINATION, renew } from './renew.js';
import { StompError } from '../../stomp/errors.js';
import { subscribe, unsubscribe } from './subscribe.js';
import { abort, begin, commit } from './transaction.js';
import type { Transaction } from '../transactions.js';

export const COMMANDS: Readonly<Record<string, Command>> = {
  SEND: send,
  SUBSCRIBE: subscribe,
  UNSUBSCRIBE: unsubscribe,
  ACK: (session, frame) => acknowledge(session, frame, 'ack'),
  NACK: (session, frame) => acknowledge(session, frame, isFalse(frame.headers.get('requeue')) ? 'drop' : 'requeue'),
  BEGIN: begin,
  COMMIT: commit,
  ABORT: abort,
  DISCONNECT: disconnect,
};

// SEND ----------------------------------------------------------------------------------------------------------------

function send(session: CommandSession, frame: Frame): Promise<void> | void {
  const { headers, body } = frame;
  const transaction = transactionOf(session, frame);
  if (headers.get('destination') === AUTH_DESTINATION) {
    if (!transaction) return renew(session, frame);
    transaction.markFailed();
    throw new StompError('invalid-header', `${AUTH_DESTINATION} takes effect at once: leave out the transaction.`);
  }
  const failed = (error: unknown): boolean => {
    transaction?.markFailed();
    return session.refuse(error, frame);
  };
  const bytes = body.length + headerBytes(headers) + FRAME_OVERHEAD_BYTES;
  let destination: Destination;
  try {
    transaction?.reserve(bytes);
    destination = parseDestination(required(frame, 'destination'), 'send');
  } catch (error) {
    return void failed(error);
  }
  session.sendQueue.add(() => checkThenSend(session, frame, destination, transaction), bytes, failed);
}

/** The open transaction that a frame names. Throws StompError `unknown-transaction`. */
function transactionOf({ transactions }: CommandSession, { headers }: Frame): Transaction | undefined {
  const id = headers.get('transaction');
  return id === undefined ? undefined : transactions.get(id);
}

function headerBytes(headers: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

/** All checks first, each of which may have to be waited for and seldom has to; then the transaction or the broker. */
function checkThenSend(
  session: CommandSession,
  frame: Frame,
  destination: Destination,
  transaction: Transaction | undefined,
): Promise<void> | undefined {
  return after(requireSend(session, destination, frame.headers), () =>
    after(replyAddress(session, frame), (replyTo) => {
      const { headers, body } = frame;
      const toSession = targetSession(headers, destination);
      const message = { headers: messageHeaders(headers, replyTo, session), body, toSession };
      return after(session.broker.prepare(destination, message, session.userName), () => {
        const mandatory = isTrue(frame.headers.get('mandatory'));
        const receipt = frame.headers.get('receipt');
        if (transaction) {
          const needs = furtherPermissionsOfSend(destination, headers);
          transaction.steps.push({ kind: 'send', destination, permissions: needs, message, mandatory, receipt });
        } else {
          publish(session, frame, destination, message, mandatory);
        }
        return undefined;
      });
    }),
  );
}

/** Goes on in the same tick where there is nothing to wait for. */
function after<T>(before: T | Promise<T>, goOn: (value: T) => Promise<void> | undefined): Promise<void> | undefined {
  return isPromise(before) ? before.then(goOn) : goOn(before);
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof (value as Promise<T> | undefined)?.then === 'function';
}

/** The RECEIPT stands for the broker's confirm: it has taken responsibility for the message. */
function publish(
  session: CommandSession,
  frame: Frame,
  destination: Destination,
  message: Message,
  mandatory: boolean,
): void {
  session.sendQueue.track(
    // next: brokers/rabbitmq/rabbitmq-broker (or brokers/memory/memory-broker)
    session.broker.publish(destination, message, { mandatory, user: session.userName }),
    () => session.receipt(frame),
    // STOMP 1.2, "SEND": if the server cannot process it for any reason, it MUST send ERROR and close
    (error) => session.refuse(error, frame),
  );
}

/** A temporary queue named in `reply-to` is made when it is first used. Anything else goes through as it is. */
function replyAddress(session: CommandSession, frame: Frame): string | undefined | Promise<string> {
  const replyTo = frame.headers.get('reply-to');
  const queue = replyTo === undefined ? undefined : parseReplyTo(replyTo);
  return queue ? session.tempQueues.address(queue) : replyTo;
}

// ACK, NACK -----------------------------------------------------------------------------------------------------------

function acknowledge(session: CommandSession, frame: Frame, outcome: 'ack' | 'requeue' | 'drop'): void {
  const transaction = transactionOf(session, frame);
  let claim: Claim;
  try {
    transaction?.reserve(FRAME_OVERHEAD_BYTES);
    claim = claimOf(session, frame);
  } catch (error) {
    transaction?.markFailed();
    throw error;
  }
  if (transaction) transaction.steps.push({ kind: 'settle', claim, outcome });
  else settle(claim, outcome);
  session.receipt(frame);
}

/** STOMP 1.2 names the message by `id`; 1.1 by `message-id` and `subscription`, of which 1.0 knows only the first. */
function claimOf(session: CommandSession, frame: Frame): Claim {
  if (session.version === '1.2') return session.acks.claim(required(frame, 'id'), undefined);
  return session.acks.claim(required(frame, 'message-id'), frame.headers.get('subscription'));
}

// DISCONNECT ----------------------------------------------------------------------------------------------------------

/** STOMP 1.2, "DISCONNECT": the RECEIPT assures the client that all previous frames have been received. */
async function disconnect(session: CommandSession, frame: Frame): Promise<void> {
  await session.sendQueue.whenIdle();
  session.disconnect(frame);
}
