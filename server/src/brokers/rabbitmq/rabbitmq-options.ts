import type { Log } from '../../process/log.js';
import type { HistorySettings } from '../history/feed-settings.js';
import type { QueueSettings } from '../queue-plan.js';
import type { QueueBounds } from '../queue-pots.js';
import type { BrokerTlsOptions } from './amqp/broker-tls.js';

/** Options of the RabbitMQ broker. Defaults and ranges are in `config.ts`. */
export interface RabbitMqOptions extends QueueSettings, QueueBounds {
  /** Quorum queues and streams that clients make. */
  readonly quorumQueuesMax: number;
  /** `amqp://user:pass@host:5672/vhost` or `amqps://...`; several for the nodes of a cluster, tried in random order. */
  readonly urls: readonly string[];
  /** A short text, unique among the relays on the same broker. */
  readonly instanceId: string;
  /** Beyond this, RabbitMQ drops the oldest messages that wait for this instance. */
  readonly instanceQueueMaxBytes: number;
  /** The time that a queue of this instance outlives its connection. */
  readonly instanceQueueExpiresMs: number;
  /** Maximum number of messages in flight to this instance, for each shared queue; less for large messages. */
  readonly instancePrefetch: number;
  readonly instanceInFlightMaxBytes: number;
  /** Time between two canaries of a shared queue (`queue-watch.ts`). */
  readonly canaryIntervalMs: number;
  /** The reconnect delay is random, up to a bound that starts at `min` and doubles up to `max`. */
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly connectTimeoutMs: number;
  /** For `amqps://`. */
  readonly tls?: BrokerTlsOptions | undefined;
  /** The longest wait of a caller for the broker: for room, a check, a confirm, or a binding. */
  readonly publishTimeoutMs: number;
  /** While RabbitMQ blocks publishers, messages wait this much longer. */
  readonly blockedTimeoutMs: number;
  /** Number of publish channels, each with its own connection. */
  readonly publishChannels: number;
  /**
   * Limits for unconfirmed messages of all sessions together. Each channel has an equal share; beyond it, publishers
   * wait.
   */
  readonly unconfirmedMax: number;
  readonly unconfirmedMaxBytes: number;
  /** Limits for dedicated subscriptions: AMQP channels per connection, and connections. */
  readonly channelsPerConnection: number;
  readonly connectionsMax: number;
  readonly heartbeatSeconds: number;
  /** For lists of durable subscriptions. */
  readonly managementUrl?: string | undefined;
  /** Destinations whose messages travel in batches (`lanes/`): `/user/#`, or `/topic/` with a pattern. */
  readonly lanes: readonly string[];
  /** Gets what other relays send in lanes, and sends nothing in them: the first step of their introduction. */
  readonly lanesReadOnly: boolean;
  /** Absent: no histories. */
  readonly history?: HistorySettings | undefined;
  readonly log: Log;
}
