/** What one run of the generator does and what it finds: what goes between the bench and the generator's process. */

export type ProtocolName = 'stomp' | 'stomp-unconfirmed' | 'raw' | 'socketio' | 'mqtt' | 'nats';

/** Subscriber i listens to topic i mod `topics`; topic t is published by publisher t mod `publishers`. */
export interface Load {
  readonly protocol: ProtocolName;
  readonly transport: 'websocket' | 'tcp';
  readonly port: number;
  readonly path: string;
  readonly subscribers: number;
  /** Further subscribers of the first topic, who read nothing; none unless given. */
  readonly frozen?: number;
  readonly topics: number;
  /** 0: connect, subscribe and hold still. */
  readonly publishers: number;
  readonly bodyBytes: number;
  /** Messages in flight of each publisher; a message is done when all its subscribers have it. 0: by `rate`. */
  readonly window: number;
  /** Messages a second in all, on a fixed schedule whatever the server does. */
  readonly rate: number;
  /** How long to hold still with all sessions open, before their memory is looked at. */
  readonly settleSeconds: number;
  readonly warmupSeconds: number;
  readonly seconds: number;
  /** How long to wait for what is still under way at the end. */
  readonly drainSeconds: number;
  /** Every so many messages one is counted but not sent: a planted loss. 0: never. */
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
  /** TCP connect to confirmed subscription, 64 at a time. */
  readonly connectsPerSecond: number;
  readonly rssPerConnectionKib: number;
  /** With the broker behind the server. */
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
  /** Windows given up because nothing came for seconds. */
  readonly stalls: number;
  /** CPU of server and broker. */
  readonly cpuMicrosPerDelivery: number;
  readonly serverCpuPercent: number;
  readonly brokerCpuPercent: number;
  /** Share of the time in which the generator had something to read or to send. */
  readonly generatorBusyPercent: number;
  /** As it never sleeps: how much of its core it had. */
  readonly generatorCpuPercent: number;
  /** How busy the machine's first core was, whoever kept it so. */
  readonly serverCorePercent: number;
  readonly firstProblem: string;
}
