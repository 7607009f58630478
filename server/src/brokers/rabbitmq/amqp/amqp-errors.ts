/**
 * RabbitMQ's answers as coded errors. AMQP says by a number why a channel or connection was closed, and by the method
 * what it was about; the rest is in a text that changes between versions, so only the numbers are looked at.
 */
import { BrokerError } from '../../broker.js';
import type { BrokerErrorCode } from '../../broker.js';

/** AMQP 0-9-1, 1.2.1 "Reply Codes". */
export const REPLY = { accessRefused: 403, notFound: 404, resourceLocked: 405, preconditionFailed: 406 } as const;

/** The reply code; undefined where the channel or connection was lost for another reason. */
export function replyCode(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/** Whether it is the answer to basic.consume (class 60, method 20), and not a closure that happened to come then. */
export function answersConsume(error: unknown): boolean {
  const { classId, methodId } = error as { classId?: unknown; methodId?: unknown };
  return classId === 60 && methodId === 20;
}

/** What was asked, and of what. */
export interface Subject {
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
}

export function toBrokerError(cause: unknown, { kind, name }: Subject): BrokerError {
  if (cause instanceof BrokerError) return cause;
  const [code, sentence] = explain(replyCode(cause), kind, name);
  return new BrokerError(code, sentence, { cause });
}

function explain(reply: number | undefined, kind: Subject['kind'], name: string): [BrokerErrorCode, string] {
  const named = `The ${kind} "${name}"`;
  switch (reply) {
    case undefined:
      return ['broker-unavailable', `The connection to RabbitMQ was lost while it was asked about ${kind} "${name}".`];
    case REPLY.notFound:
      return kind === 'exchange'
        ? ['exchange-not-found', `${named} does not exist at the broker: declare it first, or correct the destination.`]
        : ['queue-not-found', `${named} does not exist at the broker: declare it first, or subscribe to /queue/NAME.`];
    case REPLY.accessRefused:
      return [
        'access-refused',
        `RabbitMQ does not let the relay use ${kind} "${name}": its user lacks a permission, or the name is reserved.`,
      ];
    case REPLY.resourceLocked:
      return [
        'queue-in-use',
        `${named} belongs to another connection alone: use another name, or wait until it is gone.`,
      ];
    case REPLY.preconditionFailed:
      return [
        'queue-conflict',
        `${named} exists with other properties, or RabbitMQ refuses this combination: use the headers it was made with, or another name.`,
      ];
    default:
      return [
        'queue-conflict',
        `RabbitMQ refuses what was asked of ${kind} "${name}" (reply code ${reply}): change the headers.`,
      ];
  }
}
