/**
 * The stream of a history rule at RabbitMQ: its name, its limits, and the keys that route its messages to it. Relays
 * declare it and never delete it. A stream that exists with other limits is used as it is.
 */
import type { RulePlace } from '../../history/history-rules.js';
import { REPLY, replyCode, toBrokerError } from '../amqp/amqp-errors.js';
import type { ScratchChannels } from '../amqp/scratch-channels.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';

const MIB = 1024 * 1024;
const SEGMENT_MAX_BYTES = 64 * MIB;
/** RabbitMQ removes whole segments only, so a stream needs some. */
const SEGMENTS = 8;

export interface HistoryStream {
  readonly name: string;
  readonly exchange: string;
  readonly keys: readonly string[];
  readonly arguments: Readonly<Record<string, string | number>>;
}

export function streamOf(
  { rule, kind, bindings }: Pick<RulePlace, 'rule' | 'kind' | 'bindings'>,
  options: RabbitMqOptions,
): HistoryStream {
  const { name, maxAgeMs, maxBytes } = rule;
  return {
    name: `stomp-relay.history.${name}`,
    exchange: kind === 'user' ? options.userExchange : options.topicExchange,
    keys: bindings,
    arguments: {
      'x-queue-type': 'stream',
      'x-max-age': `${Math.ceil(maxAgeMs / 1_000)}s`,
      'x-max-length-bytes': maxBytes,
      'x-stream-max-segment-size-bytes': Math.min(SEGMENT_MAX_BYTES, Math.max(MIB, Math.floor(maxBytes / SEGMENTS))),
    },
  };
}

export type Declared = 'as-declared' | 'with-other-limits';

/** Rejects with a BrokerError. */
export async function declareStream(scratch: ScratchChannels, stream: HistoryStream): Promise<Declared> {
  const { name } = stream;
  try {
    await scratch.run((channel) => channel.assertQueue(name, { durable: true, arguments: stream.arguments }));
    return 'as-declared';
  } catch (cause) {
    if (replyCode(cause) !== REPLY.preconditionFailed) throw toBrokerError(cause, { kind: 'queue', name });
  }
  try {
    await scratch.run((channel) => channel.checkQueue(name));
    return 'with-other-limits';
  } catch (cause) {
    throw toBrokerError(cause, { kind: 'queue', name });
  }
}

/** Bindings disappear without notice if their exchange is deleted. Rejects with a BrokerError. */
export async function bindStream(scratch: ScratchChannels, stream: HistoryStream): Promise<void> {
  const { name, exchange, keys } = stream;
  try {
    for (const key of keys) await scratch.run((channel) => channel.bindQueue(name, exchange, key));
  } catch (cause) {
    throw toBrokerError(cause, { kind: 'exchange', name: exchange });
  }
}
