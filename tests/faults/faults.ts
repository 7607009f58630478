/** All faults of a relay, its broker, and the networks on both sides of it. */
import type { RabbitNode } from '../support/rabbitmq.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import type { RelayUnderTest } from './relay-under-test.js';

/** A relay with its neighbours. */
export interface Site {
  readonly node: RabbitNode;
  readonly brokerNetwork: TcpProxy;
  readonly relay: RelayUnderTest;
  readonly clientNetwork: TcpProxy;
}

export interface Fault {
  /** The affected component. Only one fault at a time affects it. */
  readonly touches: keyof Site;
  /** Whether the fault may end sessions. */
  readonly cuts: boolean;
  readonly longestMs: number;
  readonly begin: (site: Site) => unknown;
  readonly end: (site: Site) => unknown;
}

function ofRelay(longestMs: number, begin: Fault['begin'], end: Fault['end']): Fault {
  return { touches: 'relay', cuts: true, longestMs, begin, end };
}

function ofRabbit(longestMs: number, begin: (node: RabbitNode) => unknown, end: (node: RabbitNode) => unknown): Fault {
  return { touches: 'node', cuts: false, longestMs, begin: ({ node }) => begin(node), end: ({ node }) => end(node) };
}

/** `longestMs` of 0: the fault has no duration. */
function ofBrokerNetwork(longestMs: number, begin: (network: TcpProxy) => unknown): Fault {
  return {
    touches: 'brokerNetwork',
    cuts: false,
    longestMs,
    begin: ({ brokerNetwork }) => begin(brokerNetwork),
    end: ({ brokerNetwork }) => brokerNetwork.restore(),
  };
}

function ofClientNetwork(longestMs: number, begin: (network: TcpProxy) => unknown): Fault {
  return {
    touches: 'clientNetwork',
    cuts: true,
    longestMs,
    begin: ({ clientNetwork }) => begin(clientNetwork),
    end: ({ clientNetwork }) => clientNetwork.restore(),
  };
}

const start = (node: RabbitNode): unknown => node.start();

export const FAULTS = {
  'relay killed': ofRelay(
    2_000,
    ({ relay }) => relay.kill(),
    ({ relay }) => relay.start(),
  ),
  'relay frozen': ofRelay(
    5_000,
    ({ relay }) => relay.freeze(),
    ({ relay }) => relay.thaw(),
  ),

  'RabbitMQ killed': ofRabbit(3_000, (node) => node.kill('SIGKILL'), start),
  'RabbitMQ stopped': ofRabbit(3_000, (node) => node.kill('SIGTERM'), start),
  'RabbitMQ frozen': ofRabbit(
    8_000,
    (node) => node.freeze(),
    (node) => node.thaw(),
  ),
  'RabbitMQ short of memory': ofRabbit(
    3_000,
    (node) => node.ctl('set_vm_memory_high_watermark', 'absolute', '1'),
    (node) => node.ctl('set_vm_memory_high_watermark', '0.4'),
  ),

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
export const ALL_FAULTS = Object.keys(FAULTS) as FaultName[];
/** Faults that must not end a session. */
export const BROKER_FAULTS = ALL_FAULTS.filter((name) => !FAULTS[name].cuts);
