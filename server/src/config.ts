/**
 * Every option of the relay: default, unit (the end of its name), range. What cannot be wrong later is checked here:
 * the rest of the relay is given a frozen `Config` and reads nothing else. Precedence: flags, RELAY_* variables, the
 * YAML file, defaults (config-sources.ts). This is the only file that reads the environment.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { ConfigError, describeIssues } from './config-report.js';
import { layer } from './config-sources.js';
import type { Environment, Flags, Layered } from './config-sources.js';

export { ConfigError } from './config-report.js';
export { SETTINGS } from './config-sources.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const DAY_MS = 86_400_000;
/** Longer than this, setTimeout fires at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** A whole number with a default and a range; every way to get it wrong has the same sentence. */
function whole(value: number, min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(value);
}

function number(value: number, min: number, max: number) {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).default(value);
}

/** A section whose options all have defaults, and which has no others. */
function section<T extends z.core.$ZodShape>(shape: T) {
  return z.strictObject(shape).prefault({} as never);
}

const flag = (value: boolean) => z.boolean({ error: 'must be true or false' }).default(value);

const PORT_RULE = 'must be a port from 0 to 65535 (0 = a free one)';
const port = z.int({ error: PORT_RULE }).min(0, { error: PORT_RULE }).max(65_535, { error: PORT_RULE });
const OPTIONAL_PORT_RULE = `${PORT_RULE}, or "off"`;
const optionalPort = z.union([port, z.literal('off')], { error: OPTIONAL_PORT_RULE });

const HOST_RULE = 'must be a host name or IP address';
const host = z.string({ error: HOST_RULE }).regex(/^[\w.:%-]+$/, { error: HOST_RULE });

const ORIGIN_RULE =
  'must be "same", "*", or origins such as https://app.example.com (no path, no trailing slash), with "same" or without';
const origin = z
  .string()
  .toLowerCase()
  .refine(
    (text) => text === 'same' || text === 'null' || (URL.canParse(text) && /^[\w+.-]+:\/\/[^/?#]+$/.test(text)),
    ORIGIN_RULE,
  );

const NAME_RULE = 'must be a host name, with or without a port, or "*"';
const hostName = z.string().regex(/^(\*|[\w.-]+(:\d+)?|\[[\da-f:.]+\](:\d+)?)$/i, { error: NAME_RULE });

const BROKER_RULE = 'must be memory: or amqp://user:pass@host:5672/vhost (amqps for TLS; several, comma separated)';
const amqpUrl = z
  .string()
  .refine((text) => URL.canParse(text) && /^amqps?:$/.test(new URL(text).protocol), { error: BROKER_RULE })
  .refine((text) => new URL(text).hostname !== '', { error: BROKER_RULE });

/** `memory:`, or the addresses of a cluster's nodes. */
const broker = z
  .preprocess(
    (value) => (typeof value === 'string' ? value.split(',').map((url) => url.trim()) : value),
    z.union([z.tuple([z.literal('memory:')]), z.array(amqpUrl).min(1)], { error: BROKER_RULE }),
  )
  .transform((urls) =>
    urls[0] === 'memory:' ? { kind: 'memory' as const } : { kind: 'rabbitmq' as const, urls: urls as string[] },
  )
  .prefault('memory:');

const EXCHANGE_RULE = 'must be the name of an exchange, 1 to 255 bytes';
const exchangeName = z
  .string({ error: EXCHANGE_RULE })
  .refine((text) => text !== '' && Buffer.byteLength(text) <= 255, { error: EXCHANGE_RULE });

/** What the parser takes of one frame. */
function frameLimits(defaults: { headers: number; lineBytes: number; headersBytes: number; bodyBytes: number }) {
  return section({
    commandMaxBytes: whole(32, 11, KIB), // UNSUBSCRIBE has 11
    headerMaxCount: whole(defaults.headers, 8, 10_000),
    headerLineMaxBytes: whole(defaults.lineBytes, 256, MIB),
    headersMaxBytes: whole(defaults.headersBytes, KIB, 4 * MIB),
    bodyMaxBytes: whole(defaults.bodyBytes, 0, 128 * MIB),
  });
}

const listen = section({
  host: host.default('127.0.0.1'),
  port: port.default(8080),
  path: z
    .string()
    .regex(/^\/[\w\-./~]*$/, { error: 'must be a path such as /ws' })
    .default('/ws'),
  tcpPort: optionalPort.default('off'),
  adminPort: optionalPort.default(8081),
  /** Where the admin port listens; the same host if not given. */
  adminHost: host.optional(),
});

const websocket = section({
  /** The longest WebSocket message read. Not given: what the largest frame needs, and as much again. */
  maxPayloadBytes: whole(0, KIB, 512 * MIB)
    .unwrap()
    .optional(),
  /** 0: no pings. */
  pingIntervalMs: whole(10_000, 0, DAY_MS),
  /** permessage-deflate costs about 100 KiB and much time for each connection that uses it. */
  deflate: flag(false),
  allowedOrigins: z
    .union([z.literal('same'), z.literal('*'), z.array(origin).min(1)], { error: ORIGIN_RULE })
    .default('same'),
  allowedHosts: z.array(hostName).min(1).optional(),
  closeTimeoutMs: whole(2_000, 100, 60_000),
});

const tcp = section({
  keepAliveMs: whole(30_000, 1_000, DAY_MS),
});

const limits = section({
  /** A token in `passcode` can be long, anything else is small. */
  beforeLogin: frameLimits({ headers: 64, lineBytes: 16 * KIB, headersBytes: 32 * KIB, bodyBytes: KIB }),
  afterLogin: frameLimits({ headers: 128, lineBytes: 16 * KIB, headersBytes: 64 * KIB, bodyBytes: 4 * MIB }),
});

const session = section({
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000),
  heartBeat: section({
    sendMs: whole(1_000, 0, DAY_MS),
    expectMs: whole(1_000, 0, DAY_MS),
    graceFactor: number(2, 1, 10),
  }),
  inboxMaxBytes: whole(MIB, 16 * KIB, 256 * MIB),
  outboxMaxBytes: whole(8 * MIB, 64 * KIB, 1024 * MIB),
  outboxStallMs: whole(30_000, 100, DAY_MS),
  sendQueueMaxCount: whole(1_000, 1, 100_000),
  sendQueueMaxBytes: whole(4 * MIB, 16 * KIB, 256 * MIB),
  unconfirmedMaxCount: whole(1_000, 1, 65_535),
  subscriptionsMax: whole(1_000, 1, 100_000),
  transactionsMax: whole(16, 1, 1_000),
  transactionMaxCount: whole(1_000, 1, 100_000),
  transactionMaxBytes: whole(8 * MIB, KIB, 256 * MIB),
  ackGraceMs: whole(5_000, 0, 10 * 60_000),
});

/** What either broker does with the queues of its clients. */
const queues = {
  /** The exchange behind `/user`. */
  userExchange: exchangeName.default('stomp-relay.user'),
  /** Unsettled deliveries of a subscription to a queue that does not say `prefetch-count`, by its kind of ack. */
  autoPrefetch: whole(100, 1, 65_535),
  clientPrefetch: whole(1_000, 1, 65_535),
  /** How long a queue that belongs to a session outlives a relay that died. */
  queueExpiresMs: whole(5 * 60_000, 1_000, DAY_MS),
};

const rabbitmq = section({
  ...queues,
  instanceQueueMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB),
  instancePrefetch: whole(1_000, 1, 65_535),
  instanceInFlightMaxBytes: whole(16 * MIB, 64 * KIB, 1024 * MIB),
  reconnectMinMs: whole(200, 10, 60_000),
  reconnectMaxMs: whole(10_000, 100, 10 * 60_000),
  connectTimeoutMs: whole(10_000, 100, 10 * 60_000),
  publishTimeoutMs: whole(30_000, 100, 10 * 60_000),
  unconfirmedMax: whole(10_000, 1, 1_000_000),
  unconfirmedMaxBytes: whole(64 * MIB, 64 * KIB, 4096 * MIB),
  channelsPerConnection: whole(1_500, 1, 65_534),
  connectionsMax: whole(8, 1, 1_000),
  heartbeatSeconds: whole(10, 1, 3_600),
});

const memory = section({
  ...queues,
  /** Besides `amq.topic`, `amq.direct`, `amq.fanout` and `amq.headers`. */
  exchanges: z
    .array(z.strictObject({ name: exchangeName, type: z.enum(['topic', 'direct', 'fanout', 'headers']) }))
    .default([]),
  /** All queues together. */
  messagesMaxBytes: whole(256 * MIB, MIB, 64 * 1024 * MIB),
  queueMaxBytes: whole(64 * MIB, KIB, 64 * 1024 * MIB),
  queuesMax: whole(10_000, 1, 1_000_000),
});

const loadShedding = section({
  /** The lag of the event loop that is not to be reached: from half of it on load is shed. 0: never. */
  lagMaxMs: whole(400, 0, 60_000),
  /** How long a new session may wait to be let in, and how many may, before they are told to come back later. */
  waitMaxMs: whole(5_000, 100, 10 * 60_000),
  waitingMax: whole(10_000, 0, 1_000_000),
});

const WORKERS_MAX = 64;
const WORKERS_RULE = `must be a whole number from 1 to ${WORKERS_MAX}, or "auto" (one for each core)`;
const workerCount = z.int({ error: WORKERS_RULE }).min(1, { error: WORKERS_RULE }).max(WORKERS_MAX, {
  error: WORKERS_RULE,
});

const schema = z.strictObject({
  listen,
  broker,
  websocket,
  tcp,
  limits,
  session,
  /** Sessions at a time, on all transports. */
  sessionsMax: whole(50_000, 1, 1_000_000),
  loadShedding,
  /** The exchange behind `/topic`. */
  topicExchange: exchangeName.default('amq.topic'),
  rabbitmq,
  memory,
  auth: section({ allowAnonymous: flag(false) }),
  /** How long a stop waits for sessions and the broker. */
  stopTimeoutMs: whole(10_000, 100, TIMER_MAX_MS),
  /** Processes behind one port. What bounds a relay (`sessionsMax`, connections to the broker) bounds each of them. */
  workers: z.union([workerCount, z.literal('auto')], { error: WORKERS_RULE }).default(1),
  log: section({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], {
        error: 'must be trace, debug, info, warn, error or silent',
      })
      .default('info'),
  }),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type Parsed = z.output<typeof schema>;

/** All options, with their defaults, frozen. */
export type Config = DeepReadonly<
  Omit<Parsed, 'websocket' | 'workers'> & {
    websocket: Parsed['websocket'] & { maxPayloadBytes: number };
    workers: number;
  }
>;

/** Options as a file or a program gives them: any of them, any part. */
export type ConfigInput = z.input<typeof schema>;

/** For the command line. Throws a ConfigError that names every wrong option. `environment` defaults to the process's. */
export function loadConfig(flags: Flags, environment: Environment = process.env): Config {
  const file = (flags['config'] as string | undefined) ?? (environment['RELAY_CONFIG'] || undefined);
  const values = file === undefined ? undefined : { name: file, values: readFile(file) };
  const config = check(layer(values, environment, flags));
  checkExposure(config, false);
  return config;
}

/** For programs. Throws a ConfigError that names every wrong option; reads no file and no environment. */
export function createConfig(input: ConfigInput = {}): Config {
  return check(layer({ name: 'createConfig', values: input }, {}, {}));
}

/** Whoever can reach a relay without an authenticator can read and write everything: not by accident. */
export function checkExposure(config: Config, hasAuthenticator: boolean): void {
  const { host } = config.listen;
  if (hasAuthenticator || config.auth.allowAnonymous || isLoopbackHost(host)) return;
  throw new ConfigError([
    `listen.host ${host} can be reached from other machines, and no authenticator is configured: anybody could ` +
      'connect. Give --allow-anonymous (RELAY_ALLOW_ANONYMOUS=true) if that is meant, or listen on 127.0.0.1.',
  ]);
}

function check(layered: Layered): Config {
  const result = schema.safeParse(layered.values);
  if (!result.success) throw new ConfigError(describeIssues(result.error, schema, layered));
  const { headersMaxBytes, bodyMaxBytes } = result.data.limits.afterLogin;
  const frameMaxBytes = KIB + headersMaxBytes + bodyMaxBytes; // command, blank line and NUL fit into the KIB
  const { websocket, session } = result.data;
  const maxPayloadBytes = websocket.maxPayloadBytes ?? 2 * frameMaxBytes;
  const tooSmall = Object.entries({
    'websocket.maxPayloadBytes': maxPayloadBytes,
    'session.outboxMaxBytes': session.outboxMaxBytes,
    'session.transactionMaxBytes': session.transactionMaxBytes,
  }).filter(([, bytes]) => bytes < frameMaxBytes);
  if (tooSmall.length > 0) throw new ConfigError(tooSmall.map(([name, bytes]) => smallerThanFrame(name, bytes)));
  const { broker, workers } = result.data;
  if (workers !== 1 && broker.kind === 'memory') throw new ConfigError([workersWithoutRabbit(workers)]);
  return freeze({
    ...result.data,
    websocket: { ...websocket, maxPayloadBytes },
    workers: workers === 'auto' ? Math.min(availableParallelism(), WORKERS_MAX) : workers,
  });

  function workersWithoutRabbit(count: number | 'auto'): string {
    return (
      `workers is ${JSON.stringify(count)} (${layered.originOf(['workers'])}): the embedded broker (memory:) lives in ` +
      'one process; give --broker amqp://user:pass@host:5672/vhost, or 1 worker'
    );
  }

  function smallerThanFrame(name: string, bytes: number): string {
    return (
      `${name} is ${bytes} (${layered.originOf(name.split('.'))}): must be at least ${frameMaxBytes}, so that the ` +
      'largest frame fits (limits.afterLogin.headersMaxBytes and bodyMaxBytes)'
    );
  }
}

function readFile(name: string): Record<string, unknown> {
  try {
    const values: unknown = parseYaml(readFileSync(name, 'utf8')) ?? {};
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
      return values as Record<string, unknown>;
    }
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n'); // the rest shows the text, passwords and all
    throw new ConfigError([`cannot read the file ${name} (--config): ${reason}`]);
  }
  throw new ConfigError([`the file ${name} (--config) must hold sections such as "listen:", with options below them`]);
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner as object);
  return Object.freeze(value);
}
