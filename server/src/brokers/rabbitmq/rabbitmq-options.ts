import type { QueueSettings } from '../queue-plan.js';
import type { BrokerTlsOptions } from './amqp/broker-tls.js';
import type { Log } from '../../process/log.js';

/** What the RabbitMQ broker is told. Defaults and ranges are in `config.ts`. */
export interface RabbitMqOptions extends QueueSettings {
  /** `amqp://user:pass@host:5672/vhost` or `amqps://...`; several for the nodes of a cluster, tried in random order. */
  readonly urls: readonly string[];
  /** A few characters that no other relay on the same broker has. */
  readonly instanceId: string;
  /** Beyond it RabbitMQ drops the oldest messages that wait for this instance. */
  readonly instanceQueueMaxBytes: number;
  /** Messages on their way to this instance, for each shared queue; fewer when they are large. */
  readonly instancePrefetch: number;
  readonly instanceInFlightMaxBytes: number;
  /** Reconnecting: a random delay up to a bound that begins at `min` and doubles up to `max`. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly connectTimeoutMs: number;
  /** For `amqps://`. */
  readonly tls?: BrokerTlsOptions | undefined;
  /** The longest that a caller waits for anything of the broker: room, a check, a confirm, a binding. */
  readonly publishTimeoutMs: number;
  /** Channels to publish on, each on a connection of its own. */
  readonly publishChannels: number;
  /** Published and not yet confirmed, all sessions together; each channel has an equal share, beyond which publishers wait. */
  readonly unconfirmedMax: number;
  readonly unconfirmedMaxBytes: number;
  /** Own subscriptions: AMQP channels on a connection, and connections. */
  readonly channelsPerConnection: number;
  readonly connectionsMax: number;
  readonly heartbeatSeconds: number;
  readonly log: Log;
}
