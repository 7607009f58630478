/** What is measured: the loads, who takes part, and which figure is the one to compare. */
import type { Load } from './generator/load.js';
import type { PeerName } from './peers.js';

export type Metric =
  'deliveriesPerSecond' | 'cpuMicrosPerDelivery' | 'p50' | 'p99' | 'rssPerConnectionKib' | 'connectsPerSecond';

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly peers: readonly PeerName[];
  readonly metrics: readonly Metric[];
  readonly load: Pick<Load, 'subscribers' | 'topics' | 'publishers' | 'bodyBytes' | 'window' | 'rate' | 'seconds'>;
}

type Shape = Partial<Scenario['load']>;

function load(subscribers: number, shape: Shape = {}): Scenario['load'] {
  return { subscribers, topics: 1, publishers: 1, bodyBytes: 128, window: 32, rate: 0, seconds: 5, ...shape };
}

const ALL: readonly PeerName[] = [
  'relay',
  'relay-memory',
  'web-stomp',
  'ws',
  'socket.io',
  'stomp-broker-js',
  'mosquitto',
  'nats',
];
const STOMP: readonly PeerName[] = ['relay', 'relay-memory', 'web-stomp'];
const THROUGHPUT: readonly Metric[] = ['deliveriesPerSecond', 'cpuMicrosPerDelivery'];

/** So many messages a second to 1,000 subscribers: latency. */
function atRate(rate: number, seconds: number, peers: readonly PeerName[]): Scenario {
  const title = `${rate} messages a second to 1,000`;
  const shape = { window: 0, rate, seconds };
  return {
    name: `rate-${rate}`,
    title,
    peers,
    metrics: ['p50', 'p99', 'cpuMicrosPerDelivery'],
    load: load(1_000, shape),
  };
}

function pairs(window: number): Scenario {
  const shape = { topics: 500, publishers: 500, window };
  const title = `500 pairs, ${window} in flight`;
  return { name: `pairs-${window}`, title, peers: [...STOMP, 'nats'], metrics: THROUGHPUT, load: load(500, shape) };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'fan-out',
    title: 'fan-out to 1,000, 128 B, 32 in flight',
    peers: ALL,
    metrics: THROUGHPUT,
    load: load(1_000),
  },
  {
    name: 'fan-out-100',
    title: 'fan-out to 100',
    peers: [...STOMP, 'ws', 'nats'],
    metrics: THROUGHPUT,
    load: load(100),
  },
  {
    name: 'fan-out-5000',
    title: 'fan-out to 5,000',
    peers: [...STOMP, 'ws', 'nats'],
    metrics: THROUGHPUT,
    load: load(5_000),
  },
  {
    name: 'fan-out-1k',
    title: 'fan-out to 1,000, 1 KiB',
    peers: [...STOMP, 'ws', 'nats'],
    metrics: THROUGHPUT,
    load: load(1_000, { bodyBytes: 1_024 }),
  },
  // 200 a second are 200,000 deliveries: more than the others can do
  atRate(200, 5, ['relay', 'relay-memory', 'nats']),
  atRate(500, 5, ['relay', 'relay-memory', 'nats']),
  atRate(600, 60, ['relay', 'relay-memory', 'nats']),
  atRate(10, 5, [...STOMP, 'ws', 'nats']),
  {
    name: 'idle',
    title: '5,000 idle, subscribed sessions',
    peers: ALL,
    metrics: ['rssPerConnectionKib', 'connectsPerSecond'],
    load: load(5_000, { publishers: 0, seconds: 0 }),
  },
  pairs(1),
  pairs(4),
  {
    name: 'topics',
    title: '1,000 topics round robin',
    peers: [...STOMP, 'nats'],
    metrics: THROUGHPUT,
    load: load(1_000, { topics: 1_000 }),
  },
];

/** For daily use, under three minutes. */
export const QUICK: readonly Scenario[] = [
  {
    name: 'fan-out',
    title: 'fan-out to 1,000, 128 B, 32 in flight (short)',
    peers: [...STOMP, 'ws'],
    metrics: THROUGHPUT,
    load: load(1_000, { seconds: 2 }),
  },
];
