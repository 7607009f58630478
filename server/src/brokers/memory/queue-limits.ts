/** Reads the arguments of a queue for the embedded broker. */
import type { Arguments } from '../../destinations/queue-options.js';
import { BrokerError } from '../broker.js';

export interface QueueLimits {
  readonly messageTtlMs: number | undefined;
  readonly expiresMs: number | undefined;
  readonly maxLength: number;
  readonly maxBytes: number;
  readonly overflow: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  readonly deadLetterExchange: string | undefined;
  readonly deadLetterKey: string | undefined;
  readonly maxPriority: number;
  /** Maximum number of requeues of a message; quorum queues only. */
  readonly deliveryLimit: number;
  readonly singleActiveConsumer: boolean;
}

/** For queues without arguments of their own. */
export interface QueueDefaults {
  readonly queueMaxBytes: number;
  /** 0: never. */
  readonly unusedQueueExpiresMs: number;
}

/** Throws a BrokerError for arguments that exclude each other or need RabbitMQ. */
export function readLimits(
  queue: string,
  given: Arguments,
  autoDelete: boolean,
  { queueMaxBytes, unusedQueueExpiresMs }: QueueDefaults,
): QueueLimits {
  refuseCombinations(queue, given, autoDelete);
  return {
    messageTtlMs: given['x-message-ttl'] as number | undefined,
    expiresMs: (given['x-expires'] as number | undefined) ?? (unusedQueueExpiresMs || undefined),
    maxLength: (given['x-max-length'] as number | undefined) ?? Infinity,
    maxBytes: (given['x-max-length-bytes'] as number | undefined) ?? queueMaxBytes,
    overflow: (given['x-overflow'] as QueueLimits['overflow'] | undefined) ?? 'drop-head',
    deadLetterExchange: given['x-dead-letter-exchange'] as string | undefined,
    deadLetterKey: given['x-dead-letter-routing-key'] as string | undefined,
    maxPriority: (given['x-max-priority'] as number | undefined) ?? 0,
    deliveryLimit:
      given['x-queue-type'] === 'quorum' ? ((given['x-delivery-limit'] as number | undefined) ?? Infinity) : Infinity,
    singleActiveConsumer: given['x-single-active-consumer'] === true,
  };
}

function refuseCombinations(queue: string, given: Arguments, autoDelete: boolean): void {
  if (given['x-queue-type'] === 'stream') {
    throw new BrokerError(
      'invalid-header',
      `The header x-queue-type:stream of queue "${queue}" needs RabbitMQ: the embedded broker has classic and quorum queues.`,
    );
  }
  if (given['x-dead-letter-routing-key'] !== undefined && given['x-dead-letter-exchange'] === undefined) {
    throw conflict(queue, 'x-dead-letter-routing-key has no effect without x-dead-letter-exchange: set both');
  }
  if (given['x-queue-type'] !== 'quorum') return;
  if (autoDelete) throw conflict(queue, 'a quorum queue cannot have auto-delete: leave out one of the two headers');
  if (given['x-max-priority'] !== undefined) {
    throw conflict(queue, 'a quorum queue cannot have x-max-priority: leave out one of the two headers');
  }
  if (given['x-overflow'] === 'reject-publish-dlx') {
    throw conflict(queue, 'a quorum queue cannot have x-overflow:reject-publish-dlx: use reject-publish');
  }
}

export function conflict(queue: string, reason: string): BrokerError {
  return new BrokerError('queue-conflict', `Queue "${queue}": ${reason}.`);
}
