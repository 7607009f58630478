/** Whether the policy lets a session do what a frame asks for. */
import type { Action, Principal } from '../auth/auth.js';
import type { Destination } from '../destinations/destination.js';
import { StompError } from '../stomp/errors.js';
import type { CommandSession } from './command-session.js';
import { withDeadline } from './deadline.js';

/**
 * Undefined where the policy allows it at once, else a promise that rejects where it refuses. A policy that fails, or does
 * not answer within `connectTimeoutMs`, refuses: StompError `access-denied`.
 */
export function requirePermission(
  session: CommandSession,
  action: Action,
  destination: Destination,
): Promise<void> | undefined {
  const { policy, principal, options } = session;
  const { connectTimeoutMs } = options;
  let answer: boolean | Promise<boolean>;
  try {
    answer = policy.allows(principal, action, destination);
  } catch (cause) {
    throw denied(principal, action, destination, cause);
  }
  if (answer === true) return undefined;
  return withDeadline(answer, connectTimeoutMs).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(principal, action, destination);
    },
    (cause: unknown) => {
      throw denied(principal, action, destination, cause);
    },
  );
}

function denied({ name }: Principal, action: Action, { text }: Destination, cause?: unknown): StompError {
  const sentence = `"${name}" may not ${action} ${action === 'send' ? 'to ' : ''}${text}.`;
  return new StompError('access-denied', sentence, { cause });
}
