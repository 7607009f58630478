/** All faults of a relay, its broker, and the networks on both sides of it. */
import type { RabbitNode, Vhost } from '../support/rabbitmq.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { declareUsersExchange, deleteUsersExchange, unbindTopics } from './broker-damage.js';
import type { Crowd } from './crowd.js';
import type { RelayUnderTest } from './relay-under-test.js';
import type { StreamReader } from './stream-reader.js';

/** A relay with its neighbours. */
export interface Site {
  readonly node: RabbitNode;
  readonly vhost: Vhost;
  readonly brokerNetwork: TcpProxy;
  readonly relay: RelayUnderTest;
  readonly clientNetwork: TcpProxy;
  readonly crowd: Crowd;
  /** Of the histories of all relays. */
  readonly streams: readonly StreamReader[];
}

/** The rules allow these because of a fault. */
export type Effect =
  | 'ends sessions'
  /** Messages to topics and users, on their way to a relay. */
  | 'loses messages'
  /** RabbitMQ is away for a relay. */
  | 'hides RabbitMQ'
  | 'blocks publishers'
  /** The stream of a history is another one. */
  | 'replaces a history'
  /** Old messages leave a history. */
  | 'cuts a history'
  /** RabbitMQ does not route messages to a history. */
  | 'unbinds a history';

export interface Fault {
  /** The affected component. Only one fault at a time affects it. */
  readonly touches: keyof Site;
  readonly effects: readonly Effect[];
  /** By default SHORTEST_MS of fault-plan.ts. */
  readonly shortestMs?: number;
  readonly longestMs: number;
  readonly begin: (site: Site) => unknown;
  readonly end: (site: Site) => unknown;
}

type Change<T> = (component: T) => unknown;

/** Ends the sessions of the relay. */
function ofRelay(longestMs: number, begin: Change<RelayUnderTest>, end: Change<RelayUnderTest>): Fault {
  const effects = ['ends sessions', 'hides RabbitMQ'] as const;
  return { touches: 'relay', effects, longestMs, begin: ({ relay }) => begin(relay), end: ({ relay }) => end(relay) };
}

/** Nothing but the relay notices it. */
function insideRelay(longestMs: number, begin: Change<Site>, end: Change<Site>): Fault {
  return { touches: 'relay', effects: [], longestMs, begin, end };
}

function ofRabbit(effects: readonly Effect[], longestMs: number, begin: Change<RabbitNode>, end: Change<RabbitNode>) {
  const fault: Fault = {
    touches: 'node',
    effects,
    longestMs,
    begin: ({ node }) => begin(node),
    end: ({ node }) => end(node),
  };
  return fault;
}

/** Ends RabbitMQ, and starts it again. */
function ofRabbitEnd(signal: 'SIGKILL' | 'SIGTERM'): Fault {
  const begin = async ({ node, streams }: Site): Promise<void> => {
    await Promise.all(streams.map((stream) => stream.settle()));
    await node.kill(signal);
  };
  return {
    ...ofRabbit(
      ['loses messages', 'hides RabbitMQ'],
      3_000,
      () => undefined,
      (node) => node.start(),
    ),
    begin,
  };
}

/** `longestMs` of 0: the fault has no duration. */
function ofBrokerNetwork(longestMs: number, begin: Change<TcpProxy>): Fault {
  return {
    touches: 'brokerNetwork',
    effects: ['hides RabbitMQ'],
    longestMs,
    begin: ({ brokerNetwork }) => begin(brokerNetwork),
    end: ({ brokerNetwork }) => brokerNetwork.restore(),
  };
}

function ofClientNetwork(longestMs: number, begin: Change<TcpProxy>): Fault {
  return {
    touches: 'clientNetwork',
    effects: ['ends sessions'],
    longestMs,
    begin: ({ clientNetwork }) => begin(clientNetwork),
    end: ({ clientNetwork }) => clientNetwork.restore(),
  };
}

function ofHistories(effect: Effect, damage: (stream: StreamReader) => Promise<void>): Fault {
  return {
    touches: 'node',
    effects: [effect],
    longestMs: 0,
    begin: async ({ streams }) => Promise.all(streams.map(damage)),
    end: () => undefined,
  };
}

const HOUR_MS = 3_600_000;
const alarm = (longestMs: number): Fault =>
  ofRabbit(
    ['blocks publishers'],
    longestMs,
    (node) => node.ctl('set_vm_memory_high_watermark', 'absolute', '1'),
    (node) => node.ctl('set_vm_memory_high_watermark', '0.4'),
  );
const clockAhead = (ms: number): Fault =>
  insideRelay(
    3_000,
    ({ relay }) => relay.shiftClock(ms),
    ({ relay }) => relay.shiftClock(0),
  );

export const FAULTS = {
  'relay killed': ofRelay(
    2_000,
    (relay) => relay.kill(),
    (relay) => relay.start(),
  ),
  'relay frozen': ofRelay(
    5_000,
    (relay) => relay.freeze(),
    (relay) => relay.thaw(),
  ),
  /** Only for a relay with workers. The end is that of the primary process: it replaces the worker. */
  'worker frozen': {
    touches: 'relay',
    effects: ['ends sessions'],
    longestMs: 0,
    begin: ({ relay }) => relay.freezeWorker(),
    end: ({ relay }) => relay.whenReplaced(),
  },
  'clock an hour ahead': clockAhead(HOUR_MS),
  'clock an hour behind': clockAhead(-HOUR_MS),
  'log not read': insideRelay(
    4_000,
    ({ relay }) => relay.stopReadingLog(),
    ({ relay }) => relay.readLog(),
  ),
  'more clients than descriptors': insideRelay(
    3_000,
    ({ crowd }) => crowd.come(),
    ({ crowd }) => crowd.leave(),
  ),

  'RabbitMQ killed': ofRabbitEnd('SIGKILL'),
  'RabbitMQ stopped': ofRabbitEnd('SIGTERM'),
  'RabbitMQ frozen': ofRabbit(
    ['hides RabbitMQ'],
    8_000,
    (node) => node.freeze(),
    (node) => node.thaw(),
  ),
  'RabbitMQ short of memory': alarm(3_000),
  /** Longer than `publishTimeoutMs` of the stage. */
  'RabbitMQ short of memory for long': { ...alarm(12_000), shortestMs: 11_000 },
  'exchange of users deleted': {
    touches: 'node',
    effects: ['loses messages', 'unbinds a history'],
    longestMs: 500,
    begin: ({ vhost }) => deleteUsersExchange(vhost),
    end: ({ vhost }) => declareUsersExchange(vhost),
  },
  'bindings of topics removed': {
    touches: 'node',
    effects: ['loses messages', 'unbinds a history'],
    longestMs: 0,
    begin: ({ vhost }) => unbindTopics(vhost),
    end: () => undefined,
  },
  'streams of histories deleted': ofHistories('replaces a history', (stream) => stream.delete()),
  'histories cut': ofHistories('cuts a history', (stream) => stream.fill()),

  'broker connections dropped': ofBrokerNetwork(0, (network) => network.drop()),
  'broker connections reset': ofBrokerNetwork(0, (network) => network.reset()),
  'broker connections open at the relay only': ofBrokerNetwork(0, (network) => network.halfOpen('server')),
  'broker connections open at RabbitMQ only': ofBrokerNetwork(0, (network) => network.halfOpen('client')),
  'broker refuses connections': ofBrokerNetwork(4_000, (network) => network.cut()),
  'broker does not answer new connections': ofBrokerNetwork(5_000, (network) => {
    network.drop();
    network.ignore();
  }),
  'broker partitioned': ofBrokerNetwork(9_000, (network) => network.hold()),
  'data from RabbitMQ is held': ofBrokerNetwork(7_000, (network) => network.hold('answers')),
  'data to RabbitMQ is held': ofBrokerNetwork(7_000, (network) => network.hold('requests')),
  'slow network to the broker': ofBrokerNetwork(3_000, (network) => network.delay(200)),

  'client connections dropped': ofClientNetwork(0, (network) => network.drop()),
  'client connections reset': ofClientNetwork(0, (network) => network.reset()),
  'client connections open at the relay only': ofClientNetwork(0, (network) => network.halfOpen('client')),
  'client connections open at the clients only': ofClientNetwork(0, (network) => network.halfOpen('server')),
  'clients partitioned': ofClientNetwork(5_000, (network) => network.hold()),
  'data to clients is held': ofClientNetwork(4_000, (network) => network.hold('answers')),
  'slow network to clients': ofClientNetwork(2_000, (network) => network.delay(200)),
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

const NAMES = Object.keys(FAULTS) as FaultName[];
const fault = (name: FaultName): Fault => FAULTS[name];
const LONG_ALARM: FaultName = 'RabbitMQ short of memory for long';

/** All faults of a relay without workers. A long alarm covers other faults of RabbitMQ up, and takes time. */
export const ALL_FAULTS = NAMES.filter((name) => name !== LONG_ALARM && name !== 'worker frozen');
/** Faults that must not end a session. */
export const BROKER_FAULTS = ALL_FAULTS.filter((name) => !fault(name).effects.includes('ends sessions'));
/** Faults that must not lose a message either, not even a message to a topic. */
export const LINK_FAULTS = NAMES.filter((name) => fault(name).touches === 'brokerNetwork');
/** Faults of the relay's surroundings that cut no connection. */
export const QUIET_FAULTS: readonly FaultName[] = [
  'clock an hour ahead',
  'clock an hour behind',
  'log not read',
  'more clients than descriptors',
  LONG_ALARM,
  'exchange of users deleted',
  'bindings of topics removed',
];
