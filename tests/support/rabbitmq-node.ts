/**
 * A private RabbitMQ node from the `rabbitmq-server` on the PATH. Its name, ports, cookie, epmd and directory are
 * unique, so it meets no other node on the machine. On Debian that program is a wrapper: started by root, it switches
 * to the user `rabbitmq` and starts the Erlang VM behind two shells. So that user owns the directory, and a mark in the
 * environment identifies all processes of the node (see watchdog-program.js). Only the watchdog ends a node, when its
 * standard input closes: on stop(), or because this process is gone.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, mkdtempSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { CertificateFiles } from './certificates.js';
import { eventually } from './deadline.js';
import { isExecutable } from './executable.js';
import { freePorts } from './free-ports.js';
import { versionWhenReady } from './rabbitmq-api.js';
import type { RabbitUrls } from './rabbitmq-api.js';
import { startWatchdog, stopWatchdog } from './watchdog.js';

const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;
const PLUGINS = '[rabbitmq_management,rabbitmq_stomp,rabbitmq_web_stomp].\n';

export type StopSignal = 'SIGKILL' | 'SIGTERM';

export interface NodeOptions {
  /** Also listens with TLS, with this certificate. */
  readonly tls?: CertificateFiles;
  /** Can meet the nodes with the same secret: see rabbitmq-cluster.ts. */
  readonly cluster?: ClusterSecret;
}

/** The nodes of a cluster find each other at one epmd, and have the same cookie. */
export interface ClusterSecret {
  readonly epmd: number;
  readonly cookie: string;
}

/** A node of this machine. */
export interface PrivateNode extends RabbitNode {
  /** The name of the Erlang node. */
  readonly nodeName: string;
}

/** A node for tests, native or in a container. */
export interface RabbitNode extends RabbitUrls {
  /** The address of its TLS listener; empty without TLS. */
  readonly amqpsUrl: string;
  readonly version: string;
  /** Identifies the node: the directory of a private node, or the id of a container. */
  readonly handle: string;
  /** Runs rabbitmqctl on the node and resolves with its output. */
  ctl(...args: string[]): Promise<string>;
  /**
   * Ends the Erlang VM; data and ports remain for `start`. SIGKILL, the default, acts like a power cut: the latest
   * declarations may be lost. SIGTERM stops it in order, which takes a few seconds.
   */
  kill(signal?: StopSignal): Promise<void>;
  /** SIGSTOP: its connections stay open, and it does not read, answer or send until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts it again with the same ports and data; resolves when it answers. */
  start(): Promise<void>;
  /** Ends it and removes all its processes and files. */
  stop(): Promise<void>;
}

/** The path of `rabbitmq-server`, or undefined. On Debian it is in a folder that is only on root's PATH. */
export function findServer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'];
  return folders.map((folder) => path.join(folder, 'rabbitmq-server')).find(isExecutable);
}

/** Starts a node. `report` gets progress lines. `run` is the prefix of its id. */
export async function startPrivateNode(
  server: string,
  run: string,
  report: (line: string) => void,
  { tls, cluster }: NodeOptions = {},
): Promise<PrivateNode> {
  const id = `${run}-${randomBytes(4).toString('hex')}`;
  const directory = makeDirectory();
  const watchdog = await startWatchdog(id, directory);
  try {
    const [amqp, management, stomp, webStomp, dist, epmd, amqps] = (await freePorts(7)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const tlsLines = tls === undefined ? [] : tlsConfiguration(`127.0.0.1:${amqps}`, tls);
    writeConfiguration(directory, { amqp, management, stomp, webStomp }, tlsLines);
    const secret = cluster ?? { epmd, cookie: randomBytes(16).toString('hex') };
    const environment = nodeEnvironment(id, directory, { amqp, dist }, secret);
    writeFileSync(path.join(directory, 'environment.json'), JSON.stringify(environment), { mode: 0o600 });
    const urls: RabbitUrls = {
      amqpUrl: `amqp://guest:guest@127.0.0.1:${amqp}`,
      managementUrl: `http://127.0.0.1:${management}`,
      webStompUrl: `ws://127.0.0.1:${webStomp}/ws`,
      stompPort: stomp,
    };
    const begin = () => runServer(script(server), directory, environment, urls, report);
    const version = await begin();
    return {
      ...urls,
      amqpsUrl: tls === undefined ? '' : `amqps://guest:guest@127.0.0.1:${amqps}`,
      version,
      nodeName: environment.RABBITMQ_NODENAME,
      handle: directory,
      ctl: (...args) => runCtl(directory, args),
      kill: (signal = 'SIGKILL') => killVm(directory, signal),
      freeze: () => signalVm(directory, 'SIGSTOP'),
      thaw: () => signalVm(directory, 'SIGCONT'),
      start: async () => void (await begin()),
      stop: () => stopWatchdog(watchdog),
    };
  } catch (error) {
    await stopWatchdog(watchdog);
    throw error;
  }
}

/** Runs rabbitmqctl on the private node whose files are in `directory`, from any process of the test run. */
export async function runCtl(directory: string, args: readonly string[]): Promise<string> {
  const environment = JSON.parse(readFileSync(path.join(directory, 'environment.json'), 'utf8')) as NodeJS.ProcessEnv;
  const server = findServer() ?? 'rabbitmq-server';
  const program = script(path.join(path.dirname(server), 'rabbitmqctl'));
  const { stdout } = await promisify(execFile)(program, [...args], { env: environment, timeout: 60_000 });
  return stdout;
}

/** Debian's wrapper only forwards arguments for root and its own user. Other users start the program behind it. */
function script(wrapper: string): string {
  const behind = path.join('/usr/lib/rabbitmq/bin', path.basename(wrapper));
  return process.getuid?.() !== 0 && isExecutable(behind) ? behind : wrapper;
}

/** Root uses /tmp, which other users can access; TMPDIR may be in root's home. */
function makeDirectory(): string {
  const isRoot = process.getuid?.() === 0;
  const directory = mkdtempSync(path.join(isRoot ? '/tmp' : tmpdir(), 'relay-rabbitmq-'));
  if (isRoot) {
    try {
      const ids = ['-u', '-g'].map((flag) =>
        Number(execFileSync('id', [flag, 'rabbitmq'], { stdio: 'pipe' }).toString()),
      );
      chownSync(directory, ids[0] ?? 0, ids[1] ?? 0);
    } catch {
      // without this user, no wrapper switches to it
    }
  }
  return directory;
}

function writeConfiguration(
  directory: string,
  ports: { amqp: number; management: number; stomp: number; webStomp: number },
  more: readonly string[],
) {
  writeFileSync(path.join(directory, 'enabled_plugins'), PLUGINS);
  writeFileSync(path.join(directory, 'rabbitmq-env.conf'), '');
  // Resolves localhost for Erlang even if /etc/hosts does not, as in a bare container
  writeFileSync(path.join(directory, 'inetrc'), '{host,{127,0,0,1},["localhost"]}.\n{lookup,[file,native]}.\n');
  const lines = [
    `listeners.tcp.1 = 127.0.0.1:${ports.amqp}`,
    'management.tcp.ip = 127.0.0.1',
    `management.tcp.port = ${ports.management}`,
    `stomp.listeners.tcp.1 = 127.0.0.1:${ports.stomp}`,
    'web_stomp.tcp.ip = 127.0.0.1',
    `web_stomp.tcp.port = ${ports.webStomp}`,
    'collect_statistics_interval = 1000',
    'disk_free_limit.absolute = 50MB',
    'log.console = true',
    'log.console.level = info',
    ...more,
  ];
  writeFileSync(path.join(directory, 'rabbitmq.conf'), lines.join('\n') + '\n');
}

/** Lines of rabbitmq.conf. */
export function tlsConfiguration(address: string, { certFile, keyFile }: CertificateFiles): string[] {
  return [
    `listeners.ssl.1 = ${address}`,
    `ssl_options.certfile = ${certFile}`,
    `ssl_options.keyfile = ${keyFile}`,
    'ssl_options.verify = verify_none',
  ];
}

function nodeEnvironment(
  id: string,
  directory: string,
  ports: { amqp: number; dist: number },
  { epmd, cookie }: ClusterSecret,
) {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|RELAY_)/.test(name));
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C.UTF-8',
    HOME: directory,
    RELAY_TEST_NODE: id,
    ERL_EPMD_PORT: String(epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_CRASH_DUMP: '/dev/null',
    ERL_INETRC: path.join(directory, 'inetrc'),
    RABBITMQ_NODENAME: `${id}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.dist),
    RABBITMQ_ERLANG_COOKIE: cookie,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `-setcookie ${cookie} -kernel inet_dist_use_interface {127,0,0,1}`,
    RABBITMQ_CTL_ERL_ARGS: `-setcookie ${cookie}`,
    RABBITMQ_CONF_ENV_FILE: path.join(directory, 'rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: path.join(directory, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: path.join(directory, 'enabled_plugins'),
    RABBITMQ_MNESIA_BASE: path.join(directory, 'data'),
    RABBITMQ_LOG_BASE: path.join(directory, 'log'),
    RABBITMQ_GENERATED_CONFIG_DIR: path.join(directory, 'generated'),
    RABBITMQ_PID_FILE: path.join(directory, 'pid'),
    RABBITMQ_LOGS: '-',
  };
}

async function runServer(
  program: string,
  directory: string,
  environment: NodeJS.ProcessEnv,
  urls: RabbitUrls,
  report: (line: string) => void,
): Promise<string> {
  const logFile = path.join(directory, 'node.log');
  const log = openSync(logFile, 'a');
  const child = spawn(program, [], { cwd: '/', env: environment, detached: true, stdio: ['ignore', log, log] });
  closeSync(log);
  child.unref();
  let ended: string | undefined;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = `ended with ${signal ?? code}`));
  const since = Date.now();
  const progress = setInterval(
    () => report(`still starting after ${Math.round((Date.now() - since) / 1000)} s`),
    5_000,
  );
  const tail = () => readFileSync(logFile, 'utf8').split('\n').slice(-40).join('\n');
  try {
    return await eventually(
      () => {
        if (ended !== undefined) throw new Error(`${program} ${ended}; its log ends with:\n${tail()}`);
        return versionWhenReady(urls);
      },
      START_DEADLINE_MS,
      () => `${program} does not answer on its ports; its log ends with:\n${tail()}`,
    );
  } finally {
    clearInterval(progress);
  }
}

/** Uses the pid file of the Erlang VM. */
function signalVm(directory: string, signal: NodeJS.Signals): Promise<void> {
  process.kill(Number(readFileSync(path.join(directory, 'pid'), 'utf8')), signal);
  return Promise.resolve();
}

async function killVm(directory: string, signal: StopSignal): Promise<void> {
  const pid = Number(readFileSync(path.join(directory, 'pid'), 'utf8'));
  process.kill(pid, signal);
  const gone = () => {
    try {
      process.kill(pid, 0);
      return undefined;
    } catch {
      return true;
    }
  };
  await eventually(gone, STOP_DEADLINE_MS, () => `the Erlang VM ${pid} does not end`);
}
