/** The servers under comparison, and how to start each with its broker. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePorts } from '../../tests/support/free-ports.js';
import { startCentrifugo } from './centrifugo.js';
import type { Load } from './generator/load.js';
import { findProgram } from './processes.js';
import type { Processes } from './processes.js';
import type { Rabbit } from './rabbitmq.js';
import { startOnRedis } from './redis.js';

export const PEER_NAMES = [
  'relay',
  'relay-frozen',
  'relay-memory',
  'relay-history',
  'relay-lanes',
  'relay-other-rule',
  'web-stomp',
  'ws',
  'net',
  'socket.io',
  'stomp-broker-js',
  'mosquitto',
  'nats',
  'centrifugo',
  'centrifugo-redis',
] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export interface Bench {
  readonly processes: Processes;
  readonly rabbit: Rabbit;
}

export type Target = Pick<Load, 'protocol' | 'transport' | 'port' | 'path' | 'serverPids' | 'brokerPids' | 'frozen'>;

export interface Started extends Target {
  /** The relay's admin port, which has its metrics. */
  readonly adminPort?: number;
  readonly stop: () => Promise<void>;
}

export interface Peer {
  readonly title: string;
  /** Programs that must be on the PATH. */
  readonly needs: readonly string[];
  start(bench: Bench): Promise<Started>;
}

/** The options that a measurement sets. */
export interface Settings {
  readonly rabbitmq?: { readonly lanes: readonly string[] };
  readonly history?: {
    readonly rules: readonly { readonly name: string; readonly match: string }[];
    readonly ringMaxBytes?: number;
    readonly ringMaxCount?: number;
    readonly warmUpMs?: number;
  };
}

const HERE = import.meta.dirname;
const RELAY = path.join(HERE, '../../server/dist/cli.js');

/** A rule for all topics of the loads, and one for none of them. */
export const RECOVERABLE = historyOf('/topic/#');
const OTHER_RULE = historyOf('/topic/other.#');
/** A lane for all topics. */
const LANES: Settings = { rabbitmq: { lanes: ['/topic/#'] } };

/** In the order of a round. */
export const PEERS: Readonly<Record<PeerName, Peer>> = {
  relay: { title: 'stomp-relay on RabbitMQ', needs: [], start: (bench) => startRelay(bench, 'rabbitmq') },
  'relay-frozen': {
    title: 'stomp-relay on RabbitMQ, 10 subscribers frozen',
    needs: [],
    start: async (bench) => ({ ...(await startRelay(bench, 'rabbitmq')), frozen: 10 }),
  },
  'relay-memory': { title: 'stomp-relay, embedded broker', needs: [], start: (bench) => startRelay(bench, 'memory') },
  'relay-history': {
    title: 'stomp-relay on RabbitMQ, recoverable topic',
    needs: [],
    start: (bench) => startRelay(bench, 'rabbitmq', { settings: RECOVERABLE }),
  },
  'relay-lanes': {
    title: 'stomp-relay on RabbitMQ, lanes',
    needs: [],
    start: (bench) => startRelay(bench, 'rabbitmq', { settings: LANES }),
  },
  'relay-other-rule': {
    title: 'stomp-relay on RabbitMQ, rule for another topic',
    needs: [],
    start: (bench) => startRelay(bench, 'rabbitmq', { settings: OTHER_RULE }),
  },
  'web-stomp': { title: 'RabbitMQ Web STOMP', needs: [], start: startWebStomp },
  ws: { title: 'bare ws loop', needs: [], start: (bench) => startScript(bench, 'ws-broadcast', 'raw', '/') },
  net: {
    title: 'bare net loop (Node)',
    needs: [],
    start: (bench) => startScript(bench, 'net-broadcast', 'raw', '/'),
  },
  'socket.io': { title: 'socket.io with Redis', needs: ['redis-server'], start: startSocketIo },
  'stomp-broker-js': {
    title: 'stomp-broker-js',
    needs: [],
    start: (bench) => startScript(bench, 'stomp-broker', 'stomp-unconfirmed', '/ws'),
  },
  mosquitto: { title: 'mosquitto (TCP)', needs: ['mosquitto'], start: startMosquitto },
  nats: { title: 'nats-server', needs: ['nats-server'], start: startNats },
  centrifugo: {
    title: 'Centrifugo (memory engine)',
    needs: ['centrifugo'],
    start: ({ processes }) => startCentrifugo(processes),
  },
  'centrifugo-redis': {
    title: 'Centrifugo on Redis',
    needs: ['centrifugo', 'redis-server'],
    start: ({ processes }) => startOnRedis(processes, (redis) => startCentrifugo(processes, { redis })),
  },
};

/** Returns why a peer cannot take part, or undefined. */
export function missing(name: PeerName): string | undefined {
  const program = PEERS[name].needs.find((need) => findProgram(need) === undefined);
  return program === undefined ? undefined : `${PEERS[name].title} is left out: ${program} is not on the PATH`;
}

export interface RelayStart {
  /** Passed to Node. */
  readonly nodeFlags?: readonly string[];
  /** The relay's configuration file. */
  readonly settings?: Settings;
  /** Keeps the histories when the relay stops. By default they are deleted, so that the next server starts afresh. */
  readonly keepsHistories?: boolean;
}

export async function startRelay(
  { processes, rabbit }: Bench,
  broker: 'memory' | 'rabbitmq',
  { nodeFlags = [], settings = {}, keepsHistories = false }: RelayStart = {},
): Promise<Started> {
  const [port, adminPort] = await ports(2);
  const url = broker === 'memory' ? 'memory:' : rabbit.node.amqpUrl;
  // JSON is YAML
  const file = configuration(processes, `relay-${port}.yaml`, [JSON.stringify(settings)]);
  const flags = ['--host', '127.0.0.1', '--port', `${port}`, '--admin-port', `${adminPort}`, '--broker', url];
  const command = [process.execPath, ...nodeFlags, RELAY, ...flags, '--config', file];
  const { pid, stop } = await processes.serve('relay', command, port);
  const target = {
    protocol: 'stomp',
    transport: 'websocket',
    port,
    path: '/ws',
    serverPids: [pid],
    brokerPids: broker === 'memory' ? [] : [rabbit.pid],
  } as const;
  const streams = keepsHistories || broker === 'memory' ? [] : (settings.history?.rules ?? []).map(({ name }) => name);
  const end = async (): Promise<void> => {
    await stop();
    for (const name of streams) await rabbit.deleteHistory(name);
  };
  return { ...target, adminPort, stop: end };
}

function startWebStomp({ rabbit }: Bench): Promise<Started> {
  return Promise.resolve({
    protocol: 'stomp',
    transport: 'websocket',
    port: rabbit.webStompPort,
    path: '/ws',
    serverPids: [rabbit.pid],
    brokerPids: [],
    stop: () => Promise.resolve(),
  });
}

async function startScript(
  { processes }: Bench,
  script: string,
  protocol: Load['protocol'],
  urlPath: string,
  brokerPids: readonly number[] = [],
  ...args: string[]
): Promise<Started> {
  const [port] = await ports(1);
  const file = path.join(HERE, `server-${script}.js`);
  const { pid, stop } = await processes.serve(script, [process.execPath, file, `${port}`, ...args], port);
  return { protocol, transport: 'websocket', port, path: urlPath, serverPids: [pid], brokerPids, stop };
}

function startSocketIo(bench: Bench): Promise<Started> {
  const urlPath = '/socket.io/?EIO=4&transport=websocket';
  return startOnRedis(bench.processes, ({ pid, port }) =>
    startScript(bench, 'socket-io', 'socketio', urlPath, [pid], `${port}`),
  );
}

async function startMosquitto({ processes }: Bench): Promise<Started> {
  const [port] = await ports(1);
  // over TCP: WebSocket listeners of packaged versions do not start on machines without IPv6
  const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'set_tcp_nodelay true'];
  // by default it switches from root to a user that may not exist
  if (process.getuid?.() === 0) lines.push('user root');
  const command = [findProgram('mosquitto') ?? 'mosquitto', '-c', configuration(processes, 'mosquitto.conf', lines)];
  const { pid, stop } = await processes.serve('mosquitto', command, port);
  return { protocol: 'mqtt', transport: 'tcp', port, path: '', serverPids: [pid], brokerPids: [], stop };
}

async function startNats({ processes }: Bench): Promise<Started> {
  const [port, tcpPort] = await ports(2);
  const lines = [
    `host: 127.0.0.1`,
    `port: ${tcpPort}`,
    'max_connections: 20000',
    'ping_interval: "10m"',
    'write_deadline: "30s"',
    `websocket { host: 127.0.0.1, port: ${port}, no_tls: true }`,
  ];
  const command = [findProgram('nats-server') ?? 'nats-server', '-c', configuration(processes, 'nats.conf', lines)];
  const { pid, stop } = await processes.serve('nats', command, port);
  return { protocol: 'nats', transport: 'websocket', port, path: '/', serverPids: [pid], brokerPids: [], stop };
}

function configuration(processes: Processes, name: string, lines: readonly string[]): string {
  const file = path.join(processes.directory, name);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}

async function ports(count: number): Promise<[number, number]> {
  const [first = 0, second = 0] = await freePorts(count);
  return [first, second];
}

function historyOf(match: string): Settings {
  return { history: { rules: [{ name: 'bench', match }] } };
}
