/**
 * Asks the policy whether a client may do what its frame or request asks for: with the destination, and with all that the
 * headers reach (`required-permissions.ts`). STOMP and HTTP ask here, and nowhere else.
 */
import type { Destination } from '../../destinations/destination.js';
import type { Action, Policy, Principal } from '../auth.js';
import { answeredInTime } from '../answer-deadline.js';
import { furtherPermissionsOfSubscribe, type RequiredPermission } from './required-permissions.js';

/** A client that asks for something, and the policy that decides. */
export interface Subject {
  readonly principal: Principal;
  readonly context: {
    readonly policy: Policy;
    /** How long the policy may take. */
    readonly options: { readonly connectTimeoutMs: number };
  };
}

/** `message` names the user and what it may not do. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code = 'access-denied';
}

/**
 * Permission to SEND to `destination`, and for `further` things that the headers reach, which are looked at once the
 * destination is allowed. Undefined where the policy allows it at once, else a promise that rejects where it refuses. A
 * policy that fails, or does not answer within `connectTimeoutMs`, refuses. Throws or rejects with an AccessError, or with a
 * DestinationError or HeaderError where a header makes no sense.
 */
export function requireSend(
  subject: Subject,
  destination: Destination,
  further: () => readonly RequiredPermission[],
): Promise<void> | undefined {
  const waiting = requirePermission(subject, 'send', destination);
  return waiting ? waiting.then(() => requireAll(subject, further())) : requireAll(subject, further());
}

/** To SUBSCRIBE with these headers; as `requireSend`. */
export function requireSubscribe(
  subject: Subject,
  destination: Destination,
  headers: ReadonlyMap<string, string>,
): Promise<void> | undefined {
  return requireAll(subject, [{ action: 'subscribe', destination }, ...furtherPermissionsOfSubscribe(headers)]);
}

/** One after the other, as `requireSend`; what comes behind a refusal is not asked. */
export function requireAll(subject: Subject, permissions: readonly RequiredPermission[]): Promise<void> | undefined {
  for (let i = 0; i < permissions.length; i++) {
    const { action, destination } = permissions[i]!;
    const waiting = requirePermission(subject, action, destination);
    if (waiting) return waiting.then(() => requireAll(subject, permissions.slice(i + 1)));
  }
  return undefined;
}

/** One thing alone, as `requireSend`. */
export function requirePermission(
  subject: Subject,
  action: Action,
  destination: Destination,
): Promise<void> | undefined {
  let answer: boolean | Promise<boolean>;
  try {
    answer = subject.context.policy.allows(subject.principal, action, destination);
  } catch (cause) {
    throw denied(subject, action, destination, cause);
  }
  if (answer === true) return undefined;
  // At once: promises of one refusal after the other would all be settled in the same turn of the event loop
  if (answer === false) throw denied(subject, action, destination);
  return answeredInTime(answer, subject.context.options.connectTimeoutMs).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(subject, action, destination);
    },
    (cause: unknown) => {
      throw denied(subject, action, destination, cause);
    },
  );
}

function denied(
  { context: { policy }, principal }: Subject,
  action: Action,
  destination: Destination,
  cause?: unknown,
): AccessError {
  const sentence = `"${principal.name}" may not ${action} ${action === 'send' ? 'to ' : ''}${destination.text}`;
  const reason = cause === undefined ? policy.explain?.(principal, action, destination) : undefined;
  return new AccessError(`${sentence}${reason === undefined ? '' : `: ${reason}`}.`, { cause });
}
