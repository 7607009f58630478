/**
 * A new token for a session there is: SEND to `/relay/auth`, with the token where CONNECT would have it (`passcode`, an
 * `Authorization` header) or as the body. Frames behind it wait, and are judged by what the new token allows.
 *
 *   refused               ERROR, and the session ends
 *   of another user       the same
 *   cannot be checked     the session stays as it is, where the client has soft-errors; else ERROR
 *   accepted              everything the session has is checked anew: subscriptions that are no longer allowed end,
 *                         transactions with a SEND that is no longer allowed can only be aborted
 */
import type { Principal } from '../../auth/auth.js';
import type { RequiredPermission } from '../../auth/policy/required-permissions.js';
import { requireAll } from '../../auth/policy/permission.js';
import { StompError } from '../../stomp/errors.js';
import type { Frame } from '../../stomp/frame.js';
import { inTurns } from '../../timing/turn-budget.js';
import { sendReceipt } from '../replies.js';
import { authenticate } from './connect.js';
import type { CommandSession } from './command.js';
import { withdraw } from './unsubscribe.js';
import { destinationOf } from '../../delivery/subscriptions.js';

export const AUTH_DESTINATION = '/relay/auth';
const TOKEN_MAX_BYTES = 16 * 1024;
/** One small frame asks for as many checks as the session has subscriptions: the others have their turn in between. */
const TURN_MS = 5;

export async function renew(session: CommandSession, { headers, body }: Frame): Promise<void> {
  if (body.length > TOKEN_MAX_BYTES) {
    throw new StompError(
      'body-too-large',
      `A token has ${body.length} bytes here: at most ${TOKEN_MAX_BYTES} are taken.`,
    );
  }
  const token = body.toString().trim();
  const principal = await authenticate(session, headers, headers.get('passcode') ?? (token === '' ? undefined : token));
  if (!isSameUser(principal, session.principal)) {
    const sentence = 'A session keeps its user, and this token is of another one: connect anew to be somebody else.';
    throw new StompError('authentication-failed', sentence);
  }
  if (!session.renewed(principal)) return;
  await failTransactions(session);
  const ended = await endSubscriptions(session);
  const told: [string, string][] = [['relay-ended-subscriptions', ended.map(encodeURIComponent).join(',')]];
  sendReceipt(session, headers.get('receipt'), ended.length > 0 ? told : []);
}

function isSameUser(one: Principal, other: Principal): boolean {
  return one.name === other.name && one.anonymous === other.anonymous;
}

/** Its SENDs were checked when they came, and would otherwise be published by the authority of a token that is gone. */
async function failTransactions(session: CommandSession): Promise<void> {
  const sends = [...session.openTransactions].flatMap((transaction) =>
    transaction.steps.flatMap((step) => (step.kind === 'send' ? [{ transaction, step }] : [])),
  );
  const checked = await inTurns(sends, TURN_MS, async ({ transaction, step: { send } }) => {
    if (transaction.hasFailed) return;
    const refusal = await refusalOf(session, send.permissions);
    if (refusal !== undefined) transaction.markFailed();
  });
  await Promise.all(checked);
}

/** Resolves with the ids of those that are no longer allowed. */
async function endSubscriptions(session: CommandSession): Promise<string[]> {
  const checked = await inTurns(session.subscriptions.entries(), TURN_MS, async ([key, subscription]) => {
    const permissions: RequiredPermission[] = [{ action: 'subscribe', destination: destinationOf(subscription) }];
    if (subscription.kind === 'dedicated') permissions.push(...subscription.permissions);
    const error = await refusalOf(session, permissions);
    // It may have ended by itself while the policy was asked
    if (error === undefined || !session.subscriptions.has(key)) return [];
    await withdraw(session, key, error);
    return [key];
  });
  return (await Promise.all(checked)).flat();
}

async function refusalOf(session: CommandSession, permissions: readonly RequiredPermission[]): Promise<unknown> {
  try {
    await requireAll(session, permissions);
    return undefined;
  } catch (error) {
    return error;
  }
}
