import type { QueueSettings } from '../queue-plan.js';

export type ExchangeType = 'topic' | 'direct' | 'fanout' | 'headers';

/** What the embedded broker is told. Defaults and ranges are in `config.ts`. */
export interface MemoryOptions extends QueueSettings {
  /** Exchanges besides RabbitMQ's own (`amq.topic`, `amq.direct`, `amq.fanout`, `amq.headers`, `amq.match`). */
  readonly exchanges: readonly { readonly name: string; readonly type: ExchangeType }[];
  /** What all queues hold together, headers included; beyond it messages to queues are refused. */
  readonly messagesMaxBytes: number;
  /** What one queue holds unless it has limits of its own: beyond it the oldest messages are dropped. */
  readonly queueMaxBytes: number;
  readonly queuesMax: number;
}
