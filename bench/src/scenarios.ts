/** The scenarios: their loads, peers, and the metrics to compare. */
import type { Load } from './generator/load.js';
import type { PeerName } from './peers.js';

export type Metric =
  | 'deliveriesPerSecond'
  | 'cpuMicrosPerDelivery'
  | 'serverMicrosPerDelivery'
  | 'p50'
  | 'p99'
  | 'rssPerConnectionKib'
  | 'connectsPerSecond';

type Shape = Pick<Load, 'subscribers' | 'topics' | 'publishers' | 'bodyBytes' | 'window' | 'rate' | 'seconds'>;

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly peers: readonly PeerName[];
  /** The metrics with a column of ratios. */
  readonly metrics: readonly Metric[];
  /** Limits the rounds if more would add no information. */
  readonly roundsMax?: number;
  readonly load: Shape & Pick<Load, 'settleSeconds'> & Partial<Pick<Load, 'warmupSeconds'>>;
}

function load(subscribers: number, shape: Partial<Scenario['load']> = {}): Scenario['load'] {
  const usual = { topics: 1, publishers: 1, bodyBytes: 128, window: 32, rate: 0, seconds: 3, settleSeconds: 0.7 };
  return { subscribers, ...usual, ...shape };
}

const CENTRIFUGO: readonly PeerName[] = ['centrifugo', 'centrifugo-redis'];
const THROUGHPUT: readonly Metric[] = ['deliveriesPerSecond', 'cpuMicrosPerDelivery'];

/** Measures latency: `rate` messages a second to 1,000 subscribers. */
function atRate(rate: number, seconds: number, peers: readonly PeerName[]): Scenario {
  return {
    name: `rate-${rate}`,
    title: `${rate.toLocaleString('en-US')} messages a second to 1,000`,
    peers,
    metrics: ['p50', 'p99', 'cpuMicrosPerDelivery'],
    load: load(1_000, { window: 0, rate, seconds }),
  };
}

function pairs(window: number): Scenario {
  return {
    name: `pairs-${window}`,
    title: `500 pairs, ${window} in flight`,
    peers: ['relay', 'relay-lanes', 'relay-other-rule', 'relay-memory', 'web-stomp', ...CENTRIFUGO],
    metrics: THROUGHPUT,
    load: load(500, { topics: 500, publishers: 500, window }),
  };
}

const WARM: readonly Scenario[] = [
  {
    name: 'fan-out',
    title: 'fan-out to 1,000, 128 B, 32 in flight',
    peers: [
      'relay',
      'relay-memory',
      'web-stomp',
      'ws',
      'socket.io',
      'stomp-broker-js',
      'mosquitto',
      'nats',
      ...CENTRIFUGO,
    ],
    metrics: THROUGHPUT,
    load: load(1_000),
  },
  {
    name: 'fan-out-100',
    title: 'fan-out to 100',
    peers: ['relay', 'relay-lanes', 'web-stomp', 'nats', 'relay-memory', ...CENTRIFUGO],
    metrics: THROUGHPUT,
    load: load(100),
  },
  {
    name: 'fan-out-1k',
    title: 'fan-out to 1,000, 1 KiB',
    peers: ['relay', 'web-stomp', 'nats'],
    metrics: THROUGHPUT,
    load: load(1_000, { bodyBytes: 1_024 }),
  },
  // opening these sessions takes one server half a minute, so one scenario measures sessions and fan-out
  {
    name: 'sessions-5000',
    title: '5,000 sessions: opened, idle for three seconds, then fan-out to all',
    peers: ['relay', 'relay-other-rule', 'web-stomp', 'ws', ...CENTRIFUGO],
    metrics: ['deliveriesPerSecond', 'connectsPerSecond', 'rssPerConnectionKib'],
    load: load(5_000, { settleSeconds: 3 }),
  },
  {
    name: 'frozen',
    title: 'fan-out to 5,000, with and without ten more subscribers that have stopped reading',
    peers: ['relay', 'relay-frozen'],
    metrics: THROUGHPUT,
    load: load(5_000, { window: 128 }), // 32 saturates neither the server nor the generator
  },
  {
    name: 'recoverable',
    title: 'fan-out to 1,000, 128 B, 32 in flight: a recoverable topic, and a topic beside it',
    peers: ['relay', 'relay-history', 'relay-other-rule'],
    metrics: THROUGHPUT,
    load: load(1_000),
  },
  {
    name: 'live-1000',
    title: '1,000 messages a second to one subscriber, of a recoverable topic and of another one',
    peers: ['relay', 'relay-history', 'relay-other-rule'],
    metrics: ['p50', 'p99', 'serverMicrosPerDelivery', 'cpuMicrosPerDelivery'],
    load: load(1, { window: 0, rate: 1_000, seconds: 5 }),
  },
  // RabbitMQ sustains 13 a second to 1,000 subscribers; at 10, no message waits for another
  atRate(10, 5, ['relay', 'web-stomp', 'ws', 'net', 'nats']),
  // 200 a second are 200,000 deliveries, more than the other servers sustain
  atRate(200, 5, ['relay', 'nats']),
  atRate(500, 5, ['relay', 'nats']),
  { ...atRate(600, 60, ['relay']), title: '600 messages a second to 1,000, for a minute', roundsMax: 2 },
  { ...atRate(1_000, 5, ['relay', 'nats']), roundsMax: 3 },
  pairs(1),
  pairs(4),
  {
    name: 'topics',
    title: '1,000 topics round robin, a subscriber each, 32 in flight',
    peers: ['relay', 'relay-lanes', 'web-stomp', 'nats', 'relay-memory', ...CENTRIFUGO],
    metrics: THROUGHPUT,
    load: load(1_000, { topics: 1_000 }),
  },
];

/** The first seconds of a fresh server, in which Node compiles what it runs often. */
function cold(name: string): Scenario {
  const warm = WARM.find((scenario) => scenario.name === name)!;
  return {
    ...warm,
    name: `${name}-cold`,
    title: `${warm.title}: the first seconds of a fresh server`,
    load: { ...warm.load, warmupSeconds: 0 },
  };
}

export const SCENARIOS: readonly Scenario[] = [...WARM, ...['pairs-1', 'topics', 'fan-out-100'].map(cold)];

/** For daily use; takes less than three minutes. */
export const QUICK: readonly Scenario[] = [
  {
    name: 'fan-out',
    title: 'fan-out to 1,000, 128 B, 32 in flight (short)',
    peers: ['relay', 'relay-memory', 'web-stomp', 'ws', 'nats'],
    metrics: THROUGHPUT,
    load: load(1_000, { seconds: 2 }),
  },
];
