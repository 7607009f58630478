/**
 * Checks a frame or an HTTP request against the policy: its destination, and everything that its headers reach
 * (`required-permissions.ts`). STOMP and HTTP call the policy only from here.
 */
import type { Destination } from '../../destinations/destination.js';
import { answeredInTime } from '../answer-deadline.js';
import type { Action, Policy, Principal } from '../auth.js';
import { permissionsOfSubscribe } from './required-permissions.js';
import type { RequiredPermission } from './required-permissions.js';

/** A client with a request, and the policy that decides about it. */
export interface Subject {
  readonly principal: Principal;
  readonly context: {
    readonly policy: Policy;
    /** Deadline of the policy. */
    readonly options: { readonly connectTimeoutMs: number };
  };
}

/** `message` names the user, the action and the destination. */
export class AccessError extends Error {
  override readonly name = 'AccessError';
  readonly code = 'access-denied';
}

/**
 * Requires permission to SEND to `destination`, and then the `further` permissions that its headers need.
 *
 * Returns undefined if the policy answers at once, otherwise a promise. Throws or rejects with an AccessError if the
 * policy refuses, fails, or does not answer within `connectTimeoutMs`, and with a DestinationError or HeaderError for a
 * malformed header.
 */
export function requireSend(
  subject: Subject,
  destination: Destination,
  further: () => readonly RequiredPermission[],
): Promise<void> | undefined {
  const waiting = requirePermission(subject, 'send', destination);
  return waiting ? waiting.then(() => requireAll(subject, further())) : requireAll(subject, further());
}

/** Requires permission to SUBSCRIBE with these headers. Returns and throws like `requireSend`. */
export function requireSubscribe(
  subject: Subject,
  destination: Destination,
  headers: ReadonlyMap<string, string>,
): Promise<void> | undefined {
  return requireAll(subject, permissionsOfSubscribe(destination, headers));
}

/** Requires the permissions one by one, up to the first refusal. Returns and throws like `requireSend`. */
export function requireAll(subject: Subject, permissions: readonly RequiredPermission[]): Promise<void> | undefined {
  for (let i = 0; i < permissions.length; i++) {
    const { action, destination, queueArguments } = permissions[i]!;
    const waiting = requirePermission(subject, action, destination, queueArguments);
    if (waiting) return waiting.then(() => requireAll(subject, permissions.slice(i + 1)));
  }
  return undefined;
}

/** Requires a single permission. Returns and throws like `requireSend`. */
export function requirePermission(
  subject: Subject,
  action: Action,
  destination: Destination,
  queueArguments?: readonly string[],
): Promise<void> | undefined {
  let answer: boolean | Promise<boolean>;
  try {
    answer = subject.context.policy.allows(subject.principal, action, destination, queueArguments);
  } catch (cause) {
    throw denied(subject, action, destination, queueArguments, cause);
  }
  if (answer === true) return undefined;
  // Synchronously: promises for a series of refusals would all settle in the same turn of the event loop
  if (answer === false) throw denied(subject, action, destination, queueArguments);
  return answeredInTime(answer, subject.context.options.connectTimeoutMs).then(
    (isAllowed) => {
      if (isAllowed !== true) throw denied(subject, action, destination, queueArguments);
    },
    (cause: unknown) => {
      throw denied(subject, action, destination, queueArguments, cause);
    },
  );
}

function denied(
  { context: { policy }, principal }: Subject,
  action: Action,
  destination: Destination,
  queueArguments?: readonly string[],
  cause?: unknown,
): AccessError {
  const sentence = `"${principal.name}" may not ${action} ${action === 'send' ? 'to ' : ''}${destination.text}`;
  const reason = cause === undefined ? policy.explain?.(principal, action, destination, queueArguments) : undefined;
  return new AccessError(`${sentence}${reason === undefined ? '' : `: ${reason}`}.`, { cause });
}
