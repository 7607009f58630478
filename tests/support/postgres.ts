/**
 * A private PostgreSQL server for a test file: a new cluster in a new directory, on a free loopback port, without
 * fsync. It uses the machine's `initdb` and `postgres`. As root on Debian, it installs the package if they are missing.
 * PostgreSQL refuses to run as root, so root starts it as another user. A watchdog guards it.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { eventually, withDeadline } from './deadline.js';
import { installPackages, installProblem } from './debian-packages.js';
import { isExecutable } from './executable.js';
import { freePorts } from './free-ports.js';
import { startWatchdog, stopWatchdog } from './watchdog.js';

const DEBIAN = '/usr/lib/postgresql';
const START_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 30_000;

export interface Postgres {
  /** Includes user and password. */
  readonly url: string;
  /** Uses a new connection. */
  query<Row>(text: string): Promise<Row[]>;
  /** Ends every connection. Data and port remain for `start`. */
  kill(): Promise<void>;
  /** Starts it after `kill`; resolves when it accepts queries. */
  start(): Promise<void>;
  /** Ends it and removes all its processes and files. */
  stop(): Promise<void>;
}

const report = (line: string) => void process.stderr.write(`postgresql: ${line}\n`);

/** Takes two seconds, or a minute with an installation. Call `stop()` in `afterAll`. */
export async function startPostgres(): Promise<Postgres> {
  const programs = await findPrograms();
  const id = `${process.env['RELAY_TEST_RUN'] ?? 'relay-test'}-${randomBytes(4).toString('hex')}`;
  const owner = ownerOfFiles();
  const directory = mkdtempSync(path.join(owner === undefined ? tmpdir() : '/tmp', 'relay-postgres-'));
  if (owner !== undefined) chownSync(directory, owner.uid, owner.gid);
  const watchdog = await startWatchdog(id, directory);
  const environment = { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', HOME: directory, RELAY_TEST_NODE: id };
  const as = { cwd: directory, env: environment, ...owner };
  let server: ChildProcess | undefined;
  try {
    const [port] = await freePorts(1);
    const password = randomBytes(12).toString('hex');
    const url = `postgres://tester:${password}@127.0.0.1:${port}/postgres`;
    createCluster(programs.initdb, directory, password, as);
    const begin = async () => void (server = await runServer(programs.postgres, directory, port!, url, as));
    const end = async () => {
      const running = server;
      server = undefined;
      if (running !== undefined) await endServer(running);
    };
    await begin();
    return {
      url,
      query: (text) => query(url, text),
      kill: end,
      start: begin,
      stop: async () => {
        await end();
        await stopWatchdog(watchdog);
      },
    };
  } catch (error) {
    await stopWatchdog(watchdog);
    throw error;
  }
}

interface Programs {
  readonly initdb: string;
  readonly postgres: string;
}

async function findPrograms(): Promise<Programs> {
  const found = lookForPrograms();
  if (found !== undefined) return found;
  const problem = installProblem();
  if (problem === undefined) {
    await installPackages(['postgresql'], report);
    // The packaged service must not start at the next boot either; without systemd this fails
    await promisify(execFile)('systemctl', ['disable', '--now', 'postgresql']).catch(() => undefined);
  }
  const installed = lookForPrograms();
  if (installed !== undefined) return installed;
  throw new Error(
    'These tests need PostgreSQL, and there is no initdb on the PATH nor in /usr/lib/postgresql. Install it (on Debian: ' +
      `apt-get install postgresql), or run the tests as root on Debian, which installs it${problem === undefined ? '' : ` (here: ${problem})`}.`,
  );
}

/**
 * Takes both from one folder, so that their versions match. Debian keeps them off the PATH; the newest version is used.
 */
function lookForPrograms(): Programs | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const debian = versions.map((version) => path.join(DEBIAN, version, 'bin'));
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), ...debian]) {
    const programs = { initdb: path.join(folder, 'initdb'), postgres: path.join(folder, 'postgres') };
    if (Object.values(programs).every(isExecutable)) return programs;
  }
  return undefined;
}

/** Undefined: the current user. */
function ownerOfFiles(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const user of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = ['-u', '-g'].map((flag) => Number(execFileSync('id', [flag, user], { stdio: 'pipe' })));
      return { uid: uid!, gid: gid! };
    } catch {
      // no such user
    }
  }
  throw new Error('PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody.');
}

type RunAs = Pick<NonNullable<Parameters<typeof execFileSync>[2]>, 'cwd' | 'env' | 'uid' | 'gid'>;

function createCluster(initdb: string, directory: string, password: string, as: RunAs): void {
  const passwordFile = path.join(directory, 'password');
  writeFileSync(passwordFile, password, { mode: 0o644 }); // only the owner can open the directory
  const flags = [
    '--username=tester',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--no-sync',
  ];
  execFileSync(initdb, ['-D', path.join(directory, 'data'), ...flags], { ...as, stdio: 'pipe' });
}

/** Resolves when it accepts queries. */
async function runServer(
  postgres: string,
  directory: string,
  port: number,
  url: string,
  as: RunAs,
): Promise<ChildProcess> {
  const settings = [
    'fsync=off',
    'synchronous_commit=off',
    'full_page_writes=off',
    'unix_socket_directories=',
    'max_connections=20',
  ];
  const flags = ['listen_addresses=127.0.0.1', 'dynamic_shared_memory_type=mmap', ...settings].flatMap((each) => [
    '-c',
    each,
  ]);
  const child = spawn(postgres, ['-D', path.join(directory, 'data'), '-p', String(port), ...flags], {
    ...as,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4_000)));
  (child.stderr as unknown as { unref(): void }).unref();
  child.unref();
  const ready = () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`postgres has ended:\n${log}`);
    return query(url, 'select 1').catch(() => undefined);
  };
  await eventually(ready, START_DEADLINE_MS, () => `postgres does not answer on port ${port}:\n${log}`);
  return child;
}

/** "Immediate shutdown": like a power cut, but it releases its shared memory. */
async function endServer(child: ChildProcess): Promise<void> {
  child.ref();
  const exited = once(child, 'exit');
  child.kill('SIGQUIT');
  await withDeadline(exited, STOP_DEADLINE_MS, () => 'postgres does not end');
}

async function query<Row>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // the query rejects with it
  try {
    await client.connect();
    return (await client.query(text)).rows as Row[];
  } finally {
    await client.end();
  }
}
