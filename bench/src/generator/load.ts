/** The load and the result of one run, as the bench and the generator's process exchange them. */

export type ProtocolName = 'stomp' | 'stomp-unconfirmed' | 'raw' | 'socketio' | 'mqtt' | 'nats' | 'centrifugo';

/** Subscriber i has topic i mod `topics`; publisher t mod `publishers` publishes topic t. */
export interface Load {
  readonly protocol: ProtocolName;
  readonly transport: 'websocket' | 'tcp';
  readonly port: number;
  readonly path: string;
  readonly subscribers: number;
  /** Additional subscribers of the first topic that do not read. Default: none. */
  readonly frozen?: number;
  readonly topics: number;
  /** 0: connect, subscribe and stay idle. */
  readonly publishers: number;
  readonly bodyBytes: number;
  /** Messages in flight per publisher; a message is done when all its subscribers have it. 0: use `rate`. */
  readonly window: number;
  /** Total messages a second, on a fixed schedule that ignores the server. */
  readonly rate: number;
  /** Idle time with all sessions open, before their memory is read. */
  readonly settleSeconds: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** Maximum wait for messages in flight at the end. */
  readonly drainSeconds: number;
  /** Every `faultSkip`th message is counted but not sent: a planted loss. 0: none. */
  readonly faultSkip: number;
  readonly serverPids: readonly number[];
  readonly brokerPids: readonly number[];
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadResult {
  readonly ready: number;
  readonly failed: number;
  /** From TCP connect to confirmed subscription, 64 at a time. */
  readonly connectsPerSecond: number;
  readonly rssPerConnectionKib: number;
  /** Server and broker together. */
  readonly rssPerConnectionAllKib: number;
  readonly deliveriesPerSecond: number;
  readonly publishedPerSecond: number;
  readonly latencyMs: Latency;
  readonly expected: number;
  readonly unique: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly outOfOrder: number;
  readonly misrouted: number;
  readonly malformed: number;
  readonly disconnects: number;
  /** Windows reset because no delivery came for seconds. */
  readonly stalls: number;
  /** Server and broker together. */
  readonly cpuMicrosPerDelivery: number;
  readonly serverCpuPercent: number;
  readonly brokerCpuPercent: number;
  /** Share of the time with something to read or send. */
  readonly generatorBusyPercent: number;
  /** Share of its core that the generator got; it never sleeps. */
  readonly generatorCpuPercent: number;
  /** Utilization of the machine's first core by all processes. */
  readonly serverCorePercent: number;
  readonly firstProblem: string;
}
