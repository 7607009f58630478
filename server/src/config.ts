/**
 * The configuration of the relay. The sections in `config/` have the default and range of each option; the end of an
 * option's name is its unit. This file checks all values, so the rest of the relay gets a frozen, valid `Config` and
 * reads nothing else. Precedence: flags, RELAY_* variables, the YAML file, defaults (config-sources.ts). This is the
 * only file that reads the environment.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parse as parseYaml } from 'yaml';
import type { ScalarTag } from 'yaml';
import { z } from 'zod';
import { admin } from './config/admin-options.js';
import { auth, authConflicts } from './config/auth-options.js';
import { broker, exchangeConflicts, memory, queues, rabbitmq, topics } from './config/broker-options.js';
import { ConfigError, describeIssues, describeValue, plainRule } from './config/config-report.js';
import { layer } from './config/config-sources.js';
import type { Environment, Flags, Layered } from './config/config-sources.js';
import { history, historyConflicts, laterOptions } from './config/history-options.js';
import { http } from './config/http-options.js';
import { listen, tcp, websocket } from './config/listen-options.js';
import { availableMemory, fitParts, MEMORY_MIN_BYTES, memoryLimits } from './config/memory-limits.js';
import type { MemoryLimits } from './config/memory-limits.js';
import { exchangeName, KIB, MIB, TIMER_MAX_MS, whole } from './config/option-kinds.js';
import { policy } from './config/policy-options.js';
import { drain, loadShedding, log, workers, WORKERS_MAX, workerTimeoutMs } from './config/process-options.js';
import { limits, session, shares, slowConsumers } from './config/session-options.js';
import { isLoopback } from './net/ip-address.js';

const MEMORY_MAX_BYTES = 1024 * 1024 * MIB;
const MEMORY_RULE = `must be a whole number from ${MEMORY_MIN_BYTES} to ${MEMORY_MAX_BYTES}`;

export { ConfigError } from './config/config-report.js';
export { flagsWithPassword, SETTINGS } from './config/config-sources.js';
export type { Flags } from './config/config-sources.js';

/** The documentation is generated from it. */
export const schema = z.strictObject({
  listen,
  broker,
  websocket,
  tcp,
  limits,
  shares,
  session,
  slowConsumers,
  sessionsMax: whole(50_000, 1, 1_000_000).describe('Maximum number of concurrent sessions, on all transports.'),
  memoryMaxBytes: z
    .int({ error: MEMORY_RULE })
    .min(MEMORY_MIN_BYTES, { error: MEMORY_RULE })
    .max(MEMORY_MAX_BYTES, { error: MEMORY_RULE })
    .optional()
    .describe(
      'Maximum memory in bytes that all clients of a process hold together, and that messages of the embedded broker and HTTP bodies take. By default 60 % of the memory of the container or machine, divided by `workers`.',
    ),
  loadShedding,
  topicExchange: exchangeName.default('amq.topic').describe('Name of the exchange behind `/topic`.'),
  queues,
  topics,
  rabbitmq,
  memory,
  history,
  auth,
  admin,
  policy,
  http,
  stopTimeoutMs: whole(25_000, 100, TIMER_MAX_MS).describe(
    'Maximum duration of a stop in ms, from the signal to the end of the process.',
  ),
  drain,
  workers,
  workerTimeoutMs,
  log,
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;
type Parsed = z.output<typeof schema>;

/** All options, with their defaults, frozen. */
export type Config = DeepReadonly<
  Omit<Parsed, 'websocket' | 'workers' | 'memoryMaxBytes'> & {
    websocket: Parsed['websocket'] & { maxPayloadBytes: number };
    workers: number;
  } & MemoryLimits
>;

/** The options that a file or a program gives. All are optional. */
export type ConfigInput = z.input<typeof schema>;

/** The YAML file that `loadConfig` reads; undefined where there is none. */
export function configFile(flags: Flags, environment: Environment = process.env): string | undefined {
  return (flags['config'] as string | undefined) ?? (environment['RELAY_CONFIG'] || undefined);
}

/** For the command line. Throws a ConfigError that names every wrong option. */
export function loadConfig(flags: Flags, environment: Environment = process.env): Config {
  const file = configFile(flags, environment);
  const values = file === undefined ? undefined : { name: file, values: readFile(file, environment) };
  const config = check(layer(values, environment, flags));
  checkExposure(config, false);
  return config;
}

/** For programs. Throws a ConfigError that names every wrong option; reads no file and no environment. */
export function createConfig(input: ConfigInput = {}): Config {
  return check(layer({ name: 'createConfig', values: input }, {}, {}));
}

/** True if any client can log in, and the configuration does not state that this is intended. */
export function allowsAnyone({ auth }: Config, hasAuthenticator: boolean): boolean {
  return !hasAuthenticator && !auth.allowAnonymous && auth.authenticators.every(({ kind }) => kind === 'anonymous');
}

/** Refuses to expose a relay without an authenticator by accident: every client could read and write everything. */
export function checkExposure(config: Config, hasAuthenticator: boolean): void {
  const { host } = config.listen;
  if (isLoopback(host) || !allowsAnyone(config, hasAuthenticator)) return;
  throw new ConfigError([
    `listen.host ${host} can be reached from other machines, and no authenticator is configured: any client could ` +
      'connect. Configure auth.authenticators, give --allow-anonymous (RELAY_ALLOW_ANONYMOUS=true) to accept any client, ' +
      'or listen on 127.0.0.1.',
  ]);
}

function check(layered: Layered): Config {
  const later = laterOptions(layered.values);
  if (later.length > 0)
    throw new ConfigError(later.map(([path, rule]) => describeValue(path.split('.'), rule, layered)));
  const result = schema.safeParse(layered.values, { error: plainRule });
  if (!result.success) throw new ConfigError(describeIssues(result.error, schema, layered));
  const frameMaxBytes = frameBytes(result.data.limits.afterLogin);
  const { websocket, session } = result.data;
  const maxPayloadBytes = websocket.maxPayloadBytes ?? 2 * frameMaxBytes;
  const tooSmall = Object.entries({
    'websocket.maxPayloadBytes': maxPayloadBytes,
    'session.messageMaxBytes': session.messageMaxBytes,
    'session.transactionMaxBytes': session.transactionMaxBytes,
  }).filter(([, bytes]) => bytes < frameMaxBytes);
  const problems = tooSmall.map(([name, bytes]) => smallerThanFrame(name, bytes, frameMaxBytes, 'afterLogin'));
  if (session.transactionsMaxBytes < session.transactionMaxBytes) problems.push(smallerThanOne(session));
  const { beforeLoginMaxPayloadBytes: earlyBytes } = websocket;
  const earlyFrameBytes = frameBytes(result.data.limits.beforeLogin);
  if (earlyBytes < earlyFrameBytes) {
    problems.push(smallerThanFrame('websocket.beforeLoginMaxPayloadBytes', earlyBytes, earlyFrameBytes, 'beforeLogin'));
  }
  const conflicts = [
    ...authConflicts(result.data.auth, websocket.allowedOrigins),
    ...exchangeConflicts(result.data),
    ...historyConflicts(result.data.history),
  ];
  problems.push(...conflicts.map(([path, rule]) => describeValue(path.split('.'), rule, layered)));
  if (problems.length > 0) throw new ConfigError(problems);
  const { broker, workers, drain, stopTimeoutMs } = result.data;
  if (drain.readyDelayMs > stopTimeoutMs / 2)
    throw new ConfigError([delayBeyondStop(drain.readyDelayMs, stopTimeoutMs)]);
  if (workers !== 1 && broker.kind === 'memory') throw new ConfigError([workersWithoutRabbit(workers)]);
  const processes = workers === 'auto' ? Math.min(availableParallelism(), WORKERS_MAX) : workers;
  const budget = memoryLimits(result.data.memoryMaxBytes, processes, availableMemory(process.constrainedMemory()));
  return freeze({
    ...fitParts(result.data, budget.memoryMaxBytes, (path) => layered.originOf(path) === 'default'),
    ...budget,
    websocket: { ...websocket, maxPayloadBytes },
    workers: processes,
  });

  function workersWithoutRabbit(count: number | 'auto'): string {
    return (
      `workers is ${JSON.stringify(count)} (${layered.originOf(['workers'])}): the embedded broker (memory:) lives in ` +
      'one process; give --broker amqp://user:pass@host:5672/vhost, or 1 worker'
    );
  }

  function smallerThanOne({ transactionsMaxBytes, transactionMaxBytes }: typeof session): string {
    return (
      `session.transactionsMaxBytes is ${transactionsMaxBytes} (${layered.originOf(['session', 'transactionsMaxBytes'])}): ` +
      `must be at least session.transactionMaxBytes (${transactionMaxBytes}), so that one transaction fits`
    );
  }

  function delayBeyondStop(readyDelayMs: number, stopTimeoutMs: number): string {
    return (
      `drain.readyDelayMs is ${readyDelayMs} (${layered.originOf(['drain', 'readyDelayMs'])}): must be at most half of ` +
      `stopTimeoutMs (${stopTimeoutMs}), of which it is a part`
    );
  }

  function smallerThanFrame(name: string, bytes: number, leastBytes: number, when: string): string {
    return (
      `${name} is ${bytes} (${layered.originOf(name.split('.'))}): must be at least ${leastBytes}, so that the ` +
      `largest frame fits (limits.${when}.headersMaxBytes and bodyMaxBytes)`
    );
  }
}

/** KIB is room for command, blank line and NUL. */
function frameBytes({ headersMaxBytes, bodyMaxBytes }: { headersMaxBytes: number; bodyMaxBytes: number }): number {
  return KIB + headersMaxBytes + bodyMaxBytes;
}

function readFile(name: string, environment: Environment): Record<string, unknown> {
  try {
    const values: unknown = parseYaml(readFileSync(name, 'utf8'), { customTags: [variableTag(environment)] }) ?? {};
    if (typeof values === 'object' && values !== null && !Array.isArray(values)) {
      return values as Record<string, unknown>;
    }
  } catch (error) {
    const [reason = ''] = (error as Error).message.split('\n'); // the rest quotes the file, including its passwords
    throw new ConfigError([`cannot read the file ${name} (--config): ${reason}`]);
  }
  throw new ConfigError([`the file ${name} (--config) must hold sections such as "listen:", with options below them`]);
}

/** `!env NAME` in the file stands for the value of that variable, which keeps secrets out of the file. */
function variableTag(environment: Environment): ScalarTag {
  return {
    tag: '!env',
    resolve(name) {
      const value = environment[name];
      if (value === undefined || value === '') throw new Error(`!env: the variable ${name} is not set`);
      return value;
    },
  };
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner as object);
  return Object.freeze(value);
}
