/** What the verbs need of a session that is connected, and the little that they have in common. */
import type { Policy, Principal } from '../../auth/auth.js';
import type { Broker, BrokerChannel } from '../../brokers/broker.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame, Version } from '../../stomp/frame.js';
import type { Extensions } from '../../stomp/negotiation.js';
import type { Acks } from '../../delivery/acks.js';
import type { GroupMember, Groups } from '../../delivery/groups.js';
import type { SendQueue } from '../send-queue.js';
import type { SessionLog } from '../session-context.js';
import type { DeliveryHost, Subscriptions } from '../../delivery/subscriptions.js';
import type { SessionCounters } from '../session-counters.js';
import type { TempQueues } from '../temp-queues.js';
import type { Transaction, Transactions } from '../transactions.js';

export interface CommandSession extends GroupMember, DeliveryHost {
  readonly counters: SessionCounters;
  readonly id: string;
  readonly version: Version;
  readonly principal: Principal;
  /** Whose `/user/queue/...` it is: the principal's name, or the session's id for one without a login. */
  readonly userName: string;
  readonly subscriptions: Subscriptions;
  readonly transactions: Transactions;
  /** Those that have begun and have not ended. */
  readonly openTransactions: Iterable<Transaction>;
  readonly sendQueue: SendQueue;
  readonly tempQueues: TempQueues;
  readonly acks: Acks;
  readonly groups: Groups;
  readonly broker: Broker;
  readonly policy: Policy;
  readonly options: {
    readonly ackGraceMs: number;
    readonly connectTimeoutMs: number;
    readonly subscriptionIdMaxBytes: number;
  };
  readonly log: Pick<SessionLog, 'debug'>;
  /** The session's channel at the broker, opened when first asked for. */
  channel(): BrokerChannel;
  /** Those that CONNECT has asked for and been granted. */
  readonly extensions: Extensions;
  /**
   * A MESSAGE about the session itself, to `/relay/SUBJECT` with `subscription:relay`: only where the client has an
   * extension that says so.
   */
  notify(subject: string, headers: readonly [string, string][], sentence: string): void;
  /** Runs `action` after `delayMs`, unless the session has ended by then. */
  later(delayMs: number, action: () => void): void;
  /**
   * `frame` is not done: the session ends with an ERROR that answers it, or, where the client has asked for soft-errors,
   * is told so and lives on. Returns whether it does.
   */
  refuse(error: unknown, frame: RefusedFrame): boolean;
  /** What `frame` had asked for is over, and the session lives on: a client without soft-errors is not told. */
  report(error: unknown, frame: RefusedFrame): void;
  /** Who the holder of a new token is. Rejects with what refuses it. */
  authenticate(headers: ReadonlyMap<string, string>, passcode: string | undefined): Promise<Principal>;
  /** From now on the session lives by this. False where it has ended meanwhile; throws StompError `revoked`. */
  renewed(principal: Principal): boolean;
  /** Sends the RECEIPT that this frame asks for, if it does. */
  receipt(frame: Frame): void;
  /** Sends a RECEIPT with this id, if there is one. */
  sendReceipt(receipt: string | undefined, headers?: readonly [string, string][]): void;
  /** Leaves everything, sends the RECEIPT and closes. */
  disconnect(frame: Frame): void;
}

/** As much of a frame as says which it was. */
export type RefusedFrame = Pick<Frame, 'command' | 'headers'>;

export type Command = (session: CommandSession, frame: Frame) => Promise<void> | void;

/** What a waiting frame costs beside its text and body. */
export const FRAME_OVERHEAD_BYTES = 512;

/** A header that `stomp/rules` has seen to. */
export function required(frame: Frame, name: string): string {
  const value = frame.headers.get(name);
  if (value !== undefined) return value;
  throw new StompError('missing-header', `${frame.command} requires the header "${name}".`);
}

export const isTrue = (value: string | undefined): boolean => value === 'true' || value === 'True';
export const isFalse = (value: string | undefined): boolean => value === 'false' || value === 'False';
