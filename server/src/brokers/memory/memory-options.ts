import type { HistorySettings } from '../history/feed-settings.js';
import type { QueueSettings } from '../queue-plan.js';
import type { QueueBounds } from '../queue-pots.js';

export type ExchangeType = 'topic' | 'direct' | 'fanout' | 'headers';

/** Options of the embedded broker. Defaults and ranges are in `config.ts`. */
export interface MemoryOptions extends QueueSettings, QueueBounds {
  /** Exchanges besides RabbitMQ's own (`amq.topic`, `amq.direct`, `amq.fanout`, `amq.headers`, `amq.match`). */
  readonly exchanges: readonly { readonly name: string; readonly type: ExchangeType }[];
  /** The bytes that all queues hold together, headers included. Beyond this, the broker refuses messages to queues. */
  readonly messagesMaxBytes: number;
  /** The bytes that one queue holds unless it has its own limits. Beyond this, it drops its oldest messages. */
  readonly queueMaxBytes: number;
  /** The time after which an unused queue is deleted, unless it has an `x-expires`; 0: never. */
  readonly unusedQueueExpiresMs: number;
  /** Absent: no histories. */
  readonly history?: HistorySettings | undefined;
  /** The file that stores them. Absent: a restart loses them. */
  readonly historyFile?: string | undefined;
  /** The file could not be written; until the next start nothing more is stored. */
  readonly onHistoryFileError?: (error: Error) => void;
}
