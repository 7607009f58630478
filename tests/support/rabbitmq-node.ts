/**
 * A private RabbitMQ node from the `rabbitmq-server` on the PATH: own name, ports, cookie, epmd and directory, so that
 * it meets no other node on the machine. On Debian that program is a wrapper which switches to the user `rabbitmq`
 * when started by root and starts the Erlang VM behind two shells; so the directory is given to that user, and
 * everything that belongs to the node is found by a mark in its environment (see watchdog-program.js). The watchdog
 * is the only one who ends a node, when its standard input closes: on stop(), or because this process is gone.
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
import { type RabbitUrls, versionWhenReady } from './rabbitmq-api.js';
import { startWatchdog, stopWatchdog } from './watchdog.js';

const START_DEADLINE_MS = 120_000;
const STOP_DEADLINE_MS = 30_000;
const PLUGINS = '[rabbitmq_management,rabbitmq_stomp,rabbitmq_web_stomp].\n';

export type StopSignal = 'SIGKILL' | 'SIGTERM';

export interface NodeOptions {
  /** Listens with TLS, too, and shows this certificate. */
  readonly tls?: CertificateFiles;
}

/** A node that belongs to the tests, whatever runs it. */
export interface RabbitNode extends RabbitUrls {
  /** Where it listens with TLS; empty where that was not asked for. */
  readonly amqpsUrl: string;
  readonly version: string;
  /** Lets others find it: the directory of a private node, or the id of a container. */
  readonly handle: string;
  /** Runs rabbitmqctl on the node and resolves with what it prints. */
  ctl(...args: string[]): Promise<string>;
  /**
   * Ends the Erlang VM; data and ports stay for `start`. SIGKILL, the default, is a power cut: what was declared in
   * the last moments may be lost with it. SIGTERM stops it in order, which takes a few seconds.
   */
  kill(signal?: StopSignal): Promise<void>;
  /** SIGSTOP: its connections stay open, and nothing is read, answered or sent until `thaw`. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Starts it again, on the same ports and data; resolves when it answers. */
  start(): Promise<void>;
  /** For good: no process and no file is left. */
  stop(): Promise<void>;
}

/** Where `rabbitmq-server` is, or undefined. Debian puts it where only root's PATH looks. */
export function findServer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'];
  return folders.map((folder) => path.join(folder, 'rabbitmq-server')).find(isExecutable);
}

/** Starts a node; `say` is told what happens while it takes its time. `run` is the beginning of its id. */
export async function startPrivateNode(
  server: string,
  run: string,
  say: (line: string) => void,
  { tls }: NodeOptions = {},
): Promise<RabbitNode> {
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
    const environment = nodeEnvironment(id, directory, { amqp, dist, epmd });
    writeFileSync(path.join(directory, 'environment.json'), JSON.stringify(environment), { mode: 0o600 });
    const urls: RabbitUrls = {
      amqpUrl: `amqp://guest:guest@127.0.0.1:${amqp}`,
      managementUrl: `http://127.0.0.1:${management}`,
      webStompUrl: `ws://127.0.0.1:${webStomp}/ws`,
      stompPort: stomp,
    };
    const begin = () => runServer(script(server), directory, environment, urls, say);
    const version = await begin();
    return {
      ...urls,
      amqpsUrl: tls === undefined ? '' : `amqps://guest:guest@127.0.0.1:${amqps}`,
      version,
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

/** Debian's wrapper passes arguments on for root and its own user only; others start what is behind it. */
function script(wrapper: string): string {
  const behind = path.join('/usr/lib/rabbitmq/bin', path.basename(wrapper));
  return process.getuid?.() !== 0 && isExecutable(behind) ? behind : wrapper;
}

/** For root in /tmp, where another user can get to: TMPDIR may lie in root's home. */
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
      // no such user: then there is no wrapper that switches to it
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
  // for Erlang: what localhost is also where /etc/hosts does not say it, as in a bare container
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

function nodeEnvironment(id: string, directory: string, ports: { amqp: number; dist: number; epmd: number }) {
  const cookie = randomBytes(16).toString('hex');
  const inherited = Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|RELAY_)/.test(name));
  return {
    ...Object.fromEntries(inherited),
    LC_ALL: 'C.UTF-8',
    HOME: directory,
    RELAY_TEST_NODE: id,
    ERL_EPMD_PORT: String(ports.epmd),
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
  say: (line: string) => void,
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
  const progress = setInterval(() => say(`still starting after ${Math.round((Date.now() - since) / 1000)} s`), 5_000);
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

/** By the pid of the Erlang VM, which it wrote itself. */
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
