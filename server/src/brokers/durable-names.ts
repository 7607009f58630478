/**
 * The queues of durable subscriptions: their names, and the description in their arguments. A name has a digest of the
 * user, by which a broker finds all queues of a user, and a digest of the rest. Therefore a reconnecting client finds
 * its queue, and no other client can guess the name or choose it.
 */
import { createHash } from 'node:crypto';
import type { Destination } from '../destinations/destination.js';
import type { Arguments } from '../destinations/queue-options.js';
import type { ChannelOwner, DurableSubscription } from './broker.js';

export const DURABLE_PREFIX = 'stomp-relay.durable.';
/** Brokers keep arguments that they do not know, and do not compare them. */
export const DESCRIPTION = 'x-stomp-relay';

/** 128 bits: enough that no user can choose a name with the digest of another one. */
const USER_DIGEST_LENGTH = 22;
/** A name of an earlier version has one digest of everything. */
const NAME = /^stomp-relay\.durable\.([\w-]{22}\.)?[\w-]{43}$/;
const TEXT_MAX = 500;

export interface DurableQueue {
  readonly name: string;
  /** The name in earlier versions. */
  readonly formerName: string;
  readonly description: Arguments;
}

export function durableQueue(to: Destination, subscription: string, { user, clientId }: ChannelOwner): DurableQueue {
  const rest = [clientId ?? null, to.text, subscription];
  const described = { user, clientId, destination: to.text, subscription };
  return {
    name: durablePrefixOf(user) + digest(rest),
    formerName: DURABLE_PREFIX + digest([user, ...rest]),
    description: { [DESCRIPTION]: JSON.stringify(described, (_, value: unknown) => shortened(value)) },
  };
}

/** The start of the names of a user's queues. */
export function durablePrefixOf(user: string): string {
  return `${DURABLE_PREFIX}${digest(user).slice(0, USER_DIGEST_LENGTH)}.`;
}

export function isDurableName(queue: string): boolean {
  return NAME.test(queue);
}

/** The members of the description, as far as they are texts. A queue of an earlier version has none. */
export function readDescription(given: Readonly<Record<string, unknown>>): Omit<DurableSubscription, 'queue'> {
  let read: unknown;
  try {
    read = JSON.parse(String(given[DESCRIPTION]));
  } catch {
    return {};
  }
  const { user, clientId, destination, subscription } = (read ?? {}) as Record<string, unknown>;
  const texts = { user, clientId, destination, subscription };
  return Object.fromEntries(Object.entries(texts).filter(([, value]) => typeof value === 'string'));
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url');
}

function shortened(value: unknown): unknown {
  return typeof value === 'string' ? value.slice(0, TEXT_MAX) : value;
}
