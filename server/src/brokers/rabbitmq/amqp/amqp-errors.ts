/**
 * Converts RabbitMQ's errors into coded ones. AMQP gives the reason for closing a channel or connection as a number,
 * and the failed operation as a method. The rest is text that changes between versions. This code reads it in one place
 * only: nothing else distinguishes a queue whose node is down from a queue that does not exist.
 */
import { BrokerError } from '../../broker.js';
import type { BrokerErrorCode } from '../../broker.js';

/** AMQP 0-9-1, 1.2.1 "Reply Codes". */
export const REPLY = { accessRefused: 403, notFound: 404, resourceLocked: 405, preconditionFailed: 406 } as const;

/** Of RabbitMQ, when a queue or its node fails: AMQP's RESOURCE_ERROR and INTERNAL_ERROR. */
const FAILED: readonly number[] = [506, 541];

/**
 * How RabbitMQ 3.10 to 4.x begins its texts about a queue that exists and cannot be used now, because its node or the
 * majority of its nodes is down, it is stopping, or it has crashed. A missing queue is "no queue 'NAME' in vhost 'V'". Only
 * the beginning counts, because the rest has names that clients choose, and RabbitMQ cuts long texts off.
 */
const NODE_AWAY =
  /^(?:home node |queue |failed to |Cannot declare |Could not declare |Could not set leader |Stream coordinator unavailable )/;

/** Whether the queue of a refused request exists, and its node is down or does not answer: it may come back. */
export function isNodeAway(error: unknown): boolean {
  const cause = error instanceof BrokerError ? error.cause : error;
  const code = replyCode(cause);
  return code !== undefined && [REPLY.notFound, ...FAILED].includes(code) && NODE_AWAY.test(replyText(cause as Error));
}

/** Before RabbitMQ's text in the errors of amqplib. */
const QUOTED = 'with message "';

/** RabbitMQ's text, without the name of the reply code. */
function replyText({ message }: Error): string {
  const quoted = message.slice(message.indexOf(QUOTED) + QUOTED.length);
  return message.includes(QUOTED) ? quoted.replace(/^[A-Z_]{1,40} - /, '') : '';
}

/** The reply code; undefined if the channel or connection was lost for another reason. */
export function replyCode(error: unknown): number | undefined {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'number' ? code : undefined;
}

/**
 * Whether the error answers basic.consume (class 60, method 20), and is not a closure that happened at the same time.
 */
export function answersConsume(error: unknown): boolean {
  const { classId, methodId } = error as { classId?: unknown; methodId?: unknown };
  return classId === 60 && methodId === 20;
}

/** The subject of a request. */
export interface Subject {
  readonly kind: 'exchange' | 'queue';
  readonly name: string;
}

export function toBrokerError(cause: unknown, { kind, name }: Subject): BrokerError {
  if (cause instanceof BrokerError) return cause;
  if (isNodeAway(cause)) {
    const sentence = `The ${kind} "${name}" is out of reach, because a node of RabbitMQ is down or does not answer: try again later.`;
    return new BrokerError('broker-unavailable', sentence, { cause });
  }
  const [code, sentence] = explain(replyCode(cause), kind, name);
  return new BrokerError(code, sentence, { cause });
}

function explain(reply: number | undefined, kind: Subject['kind'], name: string): [BrokerErrorCode, string] {
  const named = `The ${kind} "${name}"`;
  switch (reply) {
    case undefined:
      return ['broker-unavailable', `The connection to RabbitMQ was lost during a request about ${kind} "${name}".`];
    case REPLY.notFound:
      return kind === 'exchange'
        ? ['exchange-not-found', `${named} does not exist at the broker: declare it first, or correct the destination.`]
        : ['queue-not-found', `${named} does not exist at the broker: declare it first, or subscribe to /queue/NAME.`];
    case REPLY.accessRefused:
      return [
        'access-refused',
        `RabbitMQ refuses the relay access to ${kind} "${name}": its user lacks a permission, or the name is reserved.`,
      ];
    case REPLY.resourceLocked:
      return [
        'queue-in-use',
        `${named} is exclusive to another connection: use another name, or wait until that connection ends.`,
      ];
    case REPLY.preconditionFailed:
      return [
        'queue-conflict',
        `${named} exists with other properties, RabbitMQ refuses this combination, or the virtual host has its limit of queues: ` +
          'use the headers of its declaration, or another name.',
      ];
    default:
      return [
        'queue-conflict',
        `RabbitMQ refuses the request about ${kind} "${name}" (reply code ${reply}): change the headers.`,
      ];
  }
}
