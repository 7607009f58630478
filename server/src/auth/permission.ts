/** Whether the policy lets somebody do what a frame or a request asks for. */
import type { Destination } from '../destinations/destination.js';
import type { Action, Policy, Principal } from './auth.js';
import { withDeadline } from './deadline.js';

/** Who asks, whom, and how long the answer may take. */
export interface Applicant {
  readonly policy: Policy;
  readonly principal: Principal;
  readonly options: { readonly connectTimeoutMs: number };
}

/** `message` names the user and what it may not do. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code = 'access-denied';
}

/**
 * Undefined where the policy allows it at once, else a promise that rejects where it refuses. A policy that fails, or does
 * not answer within `connectTimeoutMs`, refuses. Throws or rejects with an AccessError.
 */
export function requirePermission(
  { policy, principal, options }: Applicant,
  action: Action,
  destination: Destination,
): Promise<void> | undefined {
  let answer: boolean | Promise<boolean>;
  try {
    answer = policy.allows(principal, action, destination);
  } catch (cause) {
    throw denied(principal, action, destination, cause);
  }
  if (answer === true) return undefined;
  return withDeadline(answer, options.connectTimeoutMs).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(principal, action, destination);
    },
    (cause: unknown) => {
      throw denied(principal, action, destination, cause);
    },
  );
}

function denied({ name }: Principal, action: Action, { text }: Destination, cause?: unknown): AccessError {
  const sentence = `"${name}" may not ${action} ${action === 'send' ? 'to ' : ''}${text}.`;
  return new AccessError(sentence, { cause });
}
