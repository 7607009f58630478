/**
 * A new token for an existing session: SEND to `/relay/auth`, with the token in the same header as in CONNECT
 * (`passcode`, `Authorization`) or in the body. Frames behind it wait, and are checked against the permissions of the
 * new token.
 *
 *   refused               ERROR, and the session ends
 *   of another user       ERROR, and the session ends
 *   cannot be checked     with soft-errors the session stays as it is; otherwise ERROR
 *   accepted              subscriptions that are no longer allowed end;
 *                         transactions with a SEND that is no longer allowed can only be aborted
 */
import type { Principal } from '../../auth/auth.js';
import { requireAll } from '../../auth/policy/permission.js';
import type { RequiredPermission } from '../../auth/policy/required-permissions.js';
import type { Subscription } from '../../delivery/subscriptions.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import type { Batch } from '../../timing/batch-turns.js';
import { sendReceipt } from '../replies.js';
import { beginBatch } from './command.js';
import type { CommandSession } from './command.js';
import { authenticate } from './connect.js';
import { withdraw } from './unsubscribe.js';

export const AUTH_DESTINATION = '/relay/auth';
const TOKEN_MAX_BYTES = 16 * 1024;

export async function renew(session: CommandSession, { headers, body }: Frame): Promise<void> {
  if (body.length > TOKEN_MAX_BYTES) {
    throw new StompError(
      'body-too-large',
      `The token has ${body.length} bytes: at most ${TOKEN_MAX_BYTES} are allowed.`,
    );
  }
  const token = body.toString().trim();
  const principal = await authenticate(session, headers, headers.get('passcode') ?? (token === '' ? undefined : token));
  if (!isSameUser(principal, session.principal)) {
    const sentence = 'The new token belongs to another user than the session: connect again to change the user.';
    throw new StompError('authentication-failed', sentence);
  }
  if (!session.renewed(principal)) return;
  const batch = beginBatch(session);
  await failTransactions(session, batch);
  const ended = await endSubscriptions(session, batch);
  const endedHeader: [string, string] = ['relay-ended-subscriptions', ended.map(encodeURIComponent).join(',')];
  sendReceipt(session, headers.get('receipt'), ended.length > 0 ? [endedHeader] : []);
}

function isSameUser(one: Principal, other: Principal): boolean {
  return one.name === other.name && one.anonymous === other.anonymous;
}

/**
 * SENDs in open transactions were checked against the old token; they must not be published if the new one forbids it.
 */
async function failTransactions(session: CommandSession, batch: Batch): Promise<void> {
  const sends = [...session.openTransactions].flatMap((transaction) =>
    transaction.steps.flatMap((step) => (step.kind === 'send' ? [{ transaction, step }] : [])),
  );
  const checked = await begun(sends, batch, async ({ transaction, step: { send } }) => {
    if (transaction.hasFailed) return;
    const refusal = await refusalOf(session, send.permissions);
    if (refusal !== undefined) transaction.markFailed();
  });
  await Promise.all(checked);
}

/** Resolves with the ids of the subscriptions that are no longer allowed. */
async function endSubscriptions(session: CommandSession, batch: Batch): Promise<string[]> {
  const checked = await begun(session.subscriptions.entries(), batch, async ([key, subscription]) => {
    const error = await refusalOf(session, permissionsOf(subscription));
    // The subscription may have ended by itself during the check.
    if (error === undefined || !session.subscriptions.has(key)) return [];
    await withdraw(session, key, error);
    return [key];
  });
  return (await Promise.all(checked)).flat();
}

/** Begins `check` on each item in order. `check` must not reject. One small frame can cause thousands of checks. */
async function begun<T, R>(items: Iterable<T>, batch: Batch, check: (item: T) => R): Promise<R[]> {
  const all: R[] = [];
  for (const item of items) {
    const turn = all.length > 0 ? batch.pause() : undefined;
    if (turn) await turn;
    all.push(check(item));
  }
  return all;
}

function permissionsOf(subscription: Subscription): readonly RequiredPermission[] {
  if (subscription.kind === 'dedicated') return subscription.permissions;
  return [{ action: 'subscribe', destination: subscription.group.destination }];
}

async function refusalOf(session: CommandSession, permissions: readonly RequiredPermission[]): Promise<unknown> {
  try {
    await requireAll(session, permissions);
    return undefined;
  } catch (error) {
    return error;
  }
}
