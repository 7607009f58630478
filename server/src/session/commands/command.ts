/** The part of a connected session that the commands need, and their common helpers. */
import type { Principal } from '../../auth/auth.js';
import type { DeliveryHost } from '../../delivery/dedicated-subscription.js';
import type { GroupMember } from '../../delivery/group.js';
import type { Subscriptions } from '../../delivery/subscriptions.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame, Version } from '../../stomp/frame.js';
import type { Batch } from '../../timing/batch-turns.js';
import type { RefusedFrame } from '../error-frame.js';
import type { RefusingSession } from '../refusals.js';
import type { SessionContext } from '../session-context.js';
import type { SessionResources } from '../session-resources.js';
import type { Transaction } from '../transactions.js';
import type { AuthenticatingSession } from './connect.js';

export interface CommandSession extends GroupMember, DeliveryHost, RefusingSession, AuthenticatingSession {
  readonly version: Version;
  readonly principal: Principal;
  /** The name in `/user/NAME/queue/...`: the principal's name, or the session id without a login. */
  readonly userName: string;
  readonly context: SessionContext;
  readonly resources: SessionResources;
  readonly subscriptions: Subscriptions;
  hasReceived(address: string): boolean;
  /** Transactions that have begun and have not ended. Does not create `resources`. */
  readonly openTransactions: Iterable<Transaction>;
  readonly peer: AuthenticatingSession['peer'];
  /** Refuses `frame` (`refusals.ts`). Returns false if that ends the session. */
  refuse(error: unknown, frame: RefusedFrame): boolean;
  /** Applies a new token. False if the session has ended in the meantime. Throws StompError `revoked`. */
  renewed(principal: Principal): boolean;
  /** Leaves all groups, sends the RECEIPT that `frame` requests, and closes. */
  disconnect(frame: Frame): void;
}

export type Command = (session: CommandSession, frame: Frame) => Promise<void> | void;

/** The turns of a command that can take long. */
export function beginBatch({ context, account, userName }: CommandSession): Batch {
  return context.turns.begin(account ?? userName);
}

/** Memory of a waiting frame in addition to its headers and body. */
export const FRAME_OVERHEAD_BYTES = 512;

/** The value of a header whose presence `stomp/rules` has checked. */
export function required(frame: Frame, name: string): string {
  const value = frame.headers.get(name);
  if (value !== undefined) return value;
  throw new StompError('missing-header', `${frame.command} requires the header "${name}".`);
}

/** The key of a subscription is its id. STOMP 1.0 allows subscriptions without an id; their key is the destination. */
export function subscriptionKey(frame: Frame): string {
  return frame.headers.get('id') ?? required(frame, 'destination');
}

export const isTrue = (value: string | undefined): boolean => value === 'true' || value === 'True';
export const isFalse = (value: string | undefined): boolean => value === 'false' || value === 'False';
