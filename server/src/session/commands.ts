/**
 * The verbs of STOMP, each on one screen: what a client's frame does to its session. By the time a command is called,
 * `stomp/rules` has made sure that it may come now and has the headers that it requires.
 *
 * A command returns nothing when it is done, or a promise when later frames have to wait for it (SUBSCRIBE, DISCONNECT).
 * SEND never holds up other frames: it goes to the session's send queue. What a command throws or rejects with ends the
 * session with an ERROR.
 *
 * // next: brokers/rabbitmq/rabbitmq-broker, `publish` (or brokers/memory/memory-broker)
 */
import type { Action, Policy, Principal } from '../auth/auth.js';
import type { AckMode, Broker, BrokerChannel, Message, SharedDestination } from '../brokers/broker.js';
import { type Destination, parseDestination, parseReplyTo } from '../destinations/destination.js';
import { bindingArguments, wantsOwnQueue } from '../destinations/queue-options.js';
import { quote, StompError } from '../stomp/errors.js';
import type { Frame, Version } from '../stomp/frame.js';
import { ackModes } from '../stomp/rules.js';
import { type Acks, type Claim, settle } from './acks.js';
import { withDeadline } from './deadline.js';
import type { GroupMember, Groups } from './groups.js';
import { messageHeaders } from './message-headers.js';
import type { SendQueue } from './send-queue.js';
import { type DeliveryHost, OwnSubscription, type Subscriptions } from './subscriptions.js';
import type { TempQueues } from './temp-queues.js';
import type { Transaction, Transactions } from './transactions.js';

/** What commands need of a session that is connected. */
export interface CommandSession extends GroupMember, DeliveryHost {
  readonly version: Version;
  readonly principal: Principal;
  /** Whose `/user/queue/...` it is: the principal's name, or the session's id for one without a login. */
  readonly userName: string;
  readonly subscriptions: Subscriptions;
  readonly transactions: Transactions;
  readonly sendQueue: SendQueue;
  readonly tempQueues: TempQueues;
  readonly acks: Acks;
  readonly groups: Groups;
  readonly broker: Broker;
  readonly policy: Policy;
  readonly options: { readonly ackGraceMs: number; readonly connectTimeoutMs: number };
  /** The session's channel at the broker, opened when first asked for. */
  channel(): BrokerChannel;
  /** Runs `action` after `delayMs`, unless the session has ended by then. */
  later(delayMs: number, action: () => void): void;
  /** Ends the session with an ERROR that answers `frame`. */
  fail(error: unknown, frame?: Frame): void;
  /** Sends the RECEIPT that this frame asks for, if it does. */
  receipt(frame: Frame): void;
  /** Sends a RECEIPT with this id, if there is one. */
  sendReceipt(receipt: string | undefined): void;
  /** Leaves everything, sends the RECEIPT and closes. */
  disconnect(frame: Frame): void;
}

export type Command = (session: CommandSession, frame: Frame) => Promise<void> | void;

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

function send(session: CommandSession, frame: Frame): void {
  const { headers, body } = frame;
  const destination = parseDestination(required(frame, 'destination'), 'send');
  const transactionId = headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : session.transactions.get(transactionId);
  const bytes = body.length + headerBytes(headers) + FRAME_OVERHEAD_BYTES;
  transaction?.reserve(bytes);
  const failed = (error: unknown): void => session.fail(error, frame);
  session.sendQueue.add(() => checkThenSend(session, frame, destination, transaction), bytes, failed);
}

/** What a waiting frame costs beside its text and body. */
const FRAME_OVERHEAD_BYTES = 512;

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
  const proceed = (): Promise<void> | undefined => {
    const replyTo = replyAddress(session, frame);
    const prepare = (address: string | undefined): Promise<void> | undefined =>
      prepareThenSend(session, frame, destination, transaction, address);
    return replyTo instanceof Promise ? replyTo.then(prepare) : prepare(replyTo);
  };
  const allowed = allows(session, 'send', destination);
  return allowed === true ? proceed() : allowed.then(proceed);
}

function prepareThenSend(
  session: CommandSession,
  frame: Frame,
  destination: Destination,
  transaction: Transaction | undefined,
  replyTo: string | undefined,
): Promise<void> | undefined {
  const message = { headers: messageHeaders(frame.headers, replyTo), body: frame.body };
  const pending = session.broker.prepare(destination, message);
  const proceed = (): void => {
    const mandatory = isTrue(frame.headers.get('mandatory'));
    const receipt = frame.headers.get('receipt');
    if (transaction) transaction.steps.push({ kind: 'send', destination, message, mandatory, receipt });
    else publish(session, frame, destination, message, mandatory);
  };
  if (pending) return pending.then(proceed);
  proceed();
  return undefined;
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
    session.broker.publish(destination, message, { mandatory }),
    () => session.receipt(frame),
    // STOMP 1.2, "SEND": if the server cannot process it for any reason, it MUST send ERROR and close
    (error) => session.fail(error, frame),
  );
}

/**
 * A temporary queue named in `reply-to` is made when it is first used. Anything else goes through as it is, but for what
 * looks like a destination and is none: nobody could ever reply to that.
 */
function replyAddress(session: CommandSession, frame: Frame): string | undefined | Promise<string> {
  const replyTo = frame.headers.get('reply-to');
  if (!replyTo?.startsWith('/')) return replyTo;
  const queue = parseReplyTo(replyTo);
  if (queue) return session.tempQueues.address(queue);
  parseDestination(replyTo, replyTo.startsWith('/user/queue/') ? 'subscribe' : 'send');
  return replyTo;
}

// SUBSCRIBE, UNSUBSCRIBE ----------------------------------------------------------------------------------------------

async function subscribe(session: CommandSession, frame: Frame): Promise<void> {
  // The client is gone, and what it had sent is still worked off: this would be for nobody.
  if (!session.canDeliver) return;
  const parsed = parseDestination(required(frame, 'destination'), 'subscribe');
  const destination = parsed.kind === 'user' ? { ...parsed, user: session.userName } : parsed;
  const ack = ackMode(frame, session.version);
  const key = subscriptionKey(frame);
  const id = frame.headers.get('id');
  if (id?.startsWith('/temp-queue/')) {
    throw new StompError('invalid-header', 'A subscription id cannot begin with /temp-queue/: those name replies.');
  }
  const isOwn = wantsOwnQueue(destination, ack, frame.headers);
  session.subscriptions.reserve(key);
  const allowed = allows(session, 'subscribe', destination);
  if (allowed !== true) {
    await allowed;
    if (!session.canDeliver) return;
  }
  if (isOwn) await subscribeOwn(session, frame, destination, key, id, ack);
  else await subscribeShared(session, frame, destination as SharedDestination, key, id);
  session.receipt(frame);
}

async function subscribeShared(
  session: CommandSession,
  frame: Frame,
  destination: SharedDestination,
  key: string,
  subscriptionId: string | undefined,
): Promise<void> {
  const { headers } = frame;
  const argumentsKey = destination.kind === 'exchange' ? JSON.stringify(bindingArguments(headers)) : '';
  const request = { destination, headers, argumentsKey, subscriptionId, version: session.version };
  await session.groups.join(session, request, (group) => {
    if (!session.canDeliver) return false;
    session.subscriptions.set(key, { kind: 'shared', group });
    return true;
  });
}

async function subscribeOwn(
  session: CommandSession,
  frame: Frame,
  destination: Destination,
  key: string,
  id: string | undefined,
  ack: AckMode,
): Promise<void> {
  const subscription = new OwnSubscription(session, id, destination, session.version, ack);
  // Registered before it is live: its deliveries may come before the broker's answer is seen here.
  const options = { ack, headers: frame.headers, subscriptionId: key };
  subscription.broker = await session.channel().consume(destination, options, subscription);
  session.subscriptions.set(key, subscription);
}

async function unsubscribe(session: CommandSession, frame: Frame): Promise<void> {
  const key = subscriptionKey(frame);
  // Of a client that was gone before its SUBSCRIBE came to anything.
  if (!session.canDeliver && !session.subscriptions.has(key)) return;
  const subscription = session.subscriptions.take(key);
  if (subscription.kind === 'shared') {
    session.groups.leave(session, subscription.group);
  } else {
    subscription.close();
    const forget = isTrue(frame.headers.get('durable')) || isTrue(frame.headers.get('persistent'));
    await subscription.broker?.close({ forget });
    giveBackLater(session, subscription);
  }
  session.receipt(frame);
}

/** An ACK for what was delivered before UNSUBSCRIBE may be on its way; what is left after the grace goes back. */
function giveBackLater(session: CommandSession, { ackQueue }: OwnSubscription): void {
  session.later(session.options.ackGraceMs, () => session.acks.giveBack(ackQueue));
}

/** STOMP 1.0 allows a subscription without an id, known by its destination. */
function subscriptionKey(frame: Frame): string {
  return frame.headers.get('id') ?? required(frame, 'destination');
}

function ackMode(frame: Frame, version: Version): AckMode {
  // STOMP 1.2, "SUBSCRIBE ack Header": if the header is not set, it defaults to auto
  const ack = frame.headers.get('ack') ?? 'auto';
  const modes = ackModes(version);
  const mode = modes.find((each) => each === ack);
  if (mode !== undefined) return mode;
  const allowed = `${modes.slice(0, -1).join(', ')} or ${modes.at(-1)}`;
  throw new StompError('invalid-header', `The header "ack" is ${allowed} in STOMP ${version}, not ${quote(ack)}.`);
}

// ACK, NACK -----------------------------------------------------------------------------------------------------------

function acknowledge(session: CommandSession, frame: Frame, outcome: 'ack' | 'requeue' | 'drop'): void {
  const { headers } = frame;
  const transactionId = headers.get('transaction');
  const transaction = transactionId === undefined ? undefined : session.transactions.get(transactionId);
  transaction?.reserve(FRAME_OVERHEAD_BYTES);
  const claim = claimOf(session, frame);
  if (transaction) transaction.steps.push({ kind: 'settle', claim, outcome });
  else settle(claim, outcome);
  session.receipt(frame);
}

/** STOMP 1.2 names the message by `id`; 1.1 by `message-id` and `subscription`, of which 1.0 knows only the first. */
function claimOf(session: CommandSession, frame: Frame): Claim {
  if (session.version === '1.2') return session.acks.claim(required(frame, 'id'), undefined);
  return session.acks.claim(required(frame, 'message-id'), frame.headers.get('subscription'));
}

// BEGIN, COMMIT, ABORT ------------------------------------------------------------------------------------------------

function begin(session: CommandSession, frame: Frame): void {
  session.transactions.begin(required(frame, 'transaction'));
  session.receipt(frame);
}

/** The id is free at once; the steps are applied behind the SENDs that came before, whose checks may still be waited for. */
function commit(session: CommandSession, frame: Frame): void {
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

function abort(session: CommandSession, frame: Frame): void {
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

// DISCONNECT ----------------------------------------------------------------------------------------------------------

/** STOMP 1.2, "DISCONNECT": the RECEIPT assures the client that all previous frames have been received. */
async function disconnect(session: CommandSession, frame: Frame): Promise<void> {
  await session.sendQueue.whenIdle();
  session.disconnect(frame);
}

// ---------------------------------------------------------------------------------------------------------------------

/** True, or a promise that rejects where the policy refuses. A policy that fails refuses. */
function allows(session: CommandSession, action: Action, destination: Destination): true | Promise<void> {
  const { policy, principal, options } = session;
  let answer: boolean | Promise<boolean>;
  try {
    answer = policy.allows(principal, action, destination);
  } catch (cause) {
    throw denied(principal, action, destination, cause);
  }
  if (answer === true) return true;
  const decided = Promise.resolve(answer).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(principal, action, destination);
    },
    (cause: unknown) => {
      throw denied(principal, action, destination, cause);
    },
  );
  return withDeadline(decided, options.connectTimeoutMs, () => denied(principal, action, destination));
}

function denied({ name }: Principal, action: Action, { text }: Destination, cause?: unknown): StompError {
  const sentence = `"${name}" may not ${action} ${action === 'send' ? 'to ' : ''}${text}.`;
  return new StompError('access-denied', sentence, { cause });
}

/** A header that `stomp/rules` has seen to. */
function required(frame: Frame, name: string): string {
  const value = frame.headers.get(name);
  if (value !== undefined) return value;
  throw new StompError('missing-header', `${frame.command} requires the header "${name}".`);
}

const isTrue = (value: string | undefined): boolean => value === 'true' || value === 'True';
const isFalse = (value: string | undefined): boolean => value === 'false' || value === 'False';
const reason = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
