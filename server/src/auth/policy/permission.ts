/**
 * Whether the policy lets somebody do what a frame or a request asks for: with its destination, and with all that its
 * headers reach (`further-needs.ts`). STOMP and HTTP ask here, and nowhere else.
 */
import type { Destination } from '../../destinations/destination.js';
import type { Action, Policy, Principal } from '../auth.js';
import { withDeadline } from '../../timing/deadline.js';
import {
  furtherPermissionsOfSend,
  furtherPermissionsOfSubscribe,
  type RequiredPermission,
} from './required-permissions.js';

/** Who asks, whom, and how long the answer may take. */
export interface Subject {
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
 * To SEND a message with these headers. Undefined where the policy allows it at once, else a promise that rejects where it
 * refuses. A policy that fails, or does not answer within `connectTimeoutMs`, refuses. Throws or rejects with an
 * AccessError, or with a DestinationError or HeaderError where a header makes no sense.
 */
export function requireSend(
  applicant: Subject,
  destination: Destination,
  headers: ReadonlyMap<string, string>,
): Promise<void> | undefined {
  const waiting = requirePermission(applicant, 'send', destination);
  if (waiting) return waiting.then(() => requireAll(applicant, furtherPermissionsOfSend(destination, headers)));
  return requireAll(applicant, furtherPermissionsOfSend(destination, headers));
}

/** To SUBSCRIBE with these headers; as `requireSend`. */
export function requireSubscribe(
  applicant: Subject,
  destination: Destination,
  headers: ReadonlyMap<string, string>,
): Promise<void> | undefined {
  return requireAll(applicant, [{ action: 'subscribe', destination }, ...furtherPermissionsOfSubscribe(headers)]);
}

/** One after the other, as `requireSend`; what comes behind a refusal is not asked. */
export function requireAll(applicant: Subject, needs: readonly RequiredPermission[]): Promise<void> | undefined {
  for (let i = 0; i < needs.length; i++) {
    const { action, destination } = needs[i]!;
    const waiting = requirePermission(applicant, action, destination);
    if (waiting) return waiting.then(() => requireAll(applicant, needs.slice(i + 1)));
  }
  return undefined;
}

/** One thing alone, as `requireSend`. */
export function requirePermission(
  applicant: Subject,
  action: Action,
  destination: Destination,
): Promise<void> | undefined {
  let answer: boolean | Promise<boolean>;
  try {
    answer = applicant.policy.allows(applicant.principal, action, destination);
  } catch (cause) {
    throw denied(applicant, action, destination, cause);
  }
  if (answer === true) return undefined;
  // At once: promises of one refusal after the other would all be settled in the same turn of the event loop
  if (answer === false) throw denied(applicant, action, destination);
  return withDeadline(answer, applicant.options.connectTimeoutMs).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(applicant, action, destination);
    },
    (cause: unknown) => {
      throw denied(applicant, action, destination, cause);
    },
  );
}

function denied(
  { policy, principal }: Subject,
  action: Action,
  destination: Destination,
  cause?: unknown,
): AccessError {
  const sentence = `"${principal.name}" may not ${action} ${action === 'send' ? 'to ' : ''}${destination.text}`;
  const reason = cause === undefined ? policy.explain?.(principal, action, destination) : undefined;
  return new AccessError(`${sentence}${reason === undefined ? '' : `: ${reason}`}.`, { cause });
}
