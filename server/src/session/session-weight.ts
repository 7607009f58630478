/**
 * The memory that a session holds, for the budget of the process (`load/memory-budget`). The weights of objects were
 * measured as heap per object on Node 20; bytes count as they are. Nothing here is on the hot path: the parts count
 * their own bytes, and only a check of the budget adds them up.
 */
import type { Outbox } from '../delivery/outbox.js';
import type { Subscriptions } from '../delivery/subscriptions.js';
import type { Connection } from '../transports/connection.js';
import type { Inbox } from './inbox.js';
import type { SendQueue } from './send-queue.js';
import type { SessionResources } from './session-resources.js';

/** An idle session with its socket. */
const SESSION_BYTES = 8 * 1024;
/** A subscription with a group of its own. */
const SUBSCRIPTION_BYTES = 2 * 1024;
/** A delivery that is not settled. */
const ACK_BYTES = 256;

export interface WeighedSession {
  readonly connection: Connection;
  readonly inbox: Inbox;
  readonly sendQueue: SendQueue;
  readonly outbox: Outbox;
  readonly subscriptions: Subscriptions;
}

export function weightOf(session: WeighedSession, resources: SessionResources | undefined): number {
  const { connection, inbox, sendQueue, outbox, subscriptions } = session;
  const input = connection.unfinishedBytes + inbox.heldBytes + sendQueue.heldBytes;
  const own = SESSION_BYTES + SUBSCRIPTION_BYTES * subscriptions.size;
  return own + input + outbox.heldBytes + (resources ? weightOfResources(resources) : 0);
}

function weightOfResources({ transactions, acks, autoAcks }: SessionResources): number {
  return transactions.heldBytes + ACK_BYTES * (acks.size + autoAcks.size);
}
