/**
 * HAProxy or nginx with the file in `deploy/` that users copy. Only names and ports are replaced. On Debian, root gets
 * the package if it is missing.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually, withDeadline } from '../support/deadline.js';
import { installPackages, installProblem } from '../support/debian-packages.js';
import { isExecutable } from '../support/executable.js';
import { freePorts } from '../support/free-ports.js';

const DEPLOY = path.resolve(__dirname, '../../deploy');
const START_DEADLINE_MS = 10_000;
const STOP_DEADLINE_MS = 10_000;

export type BalancerKind = 'haproxy' | 'nginx';

export interface Backend {
  readonly port: number;
  readonly adminPort: number;
}

interface Setup {
  readonly file: string;
  /** The text that is replaced by the address of the load balancer. */
  readonly listen: string;
  flags(file: string, directory: string): string[];
}

const SETUPS: Record<BalancerKind, Setup> = {
  haproxy: { file: 'haproxy/haproxy.cfg', listen: 'bind :80', flags: (file) => ['-db', '-f', file] },
  nginx: {
    file: 'nginx/nginx.conf',
    listen: 'listen 80',
    flags: (file, directory) => {
      const globals = `daemon off; pid ${directory}/nginx.pid; error_log ${directory}/error.log;`;
      return ['-c', file, '-p', directory, '-e', `${directory}/error.log`, '-g', globals];
    },
  },
};

export class LoadBalancer {
  private constructor(
    /** Such as `127.0.0.1:18080`. */
    readonly address: string,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  static async start(kind: BalancerKind, backends: readonly [Backend, Backend]): Promise<LoadBalancer> {
    const program = await provide(kind);
    const [port] = (await freePorts(1)) as [number];
    const directory = mkdtempSync(path.join(tmpdir(), `relay-${kind}-`));
    const file = path.join(directory, path.basename(SETUPS[kind].file));
    writeFileSync(file, localized(kind, port, backends));
    if (kind === 'nginx') copyFileSync('/etc/nginx/mime.types', path.join(directory, 'mime.types'));
    // The kernel ends it with the tests: nginx overwrites the environment by which a watchdog would find it
    const child = spawn('setpriv', ['--pdeathsig', 'TERM', program, ...SETUPS[kind].flags(file, directory)], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const isUp = () => accepts(port).then((up) => up || undefined);
    await eventually(isUp, START_DEADLINE_MS, () => `${kind} does not listen (exit status ${child.exitCode})`);
    return new LoadBalancer(`127.0.0.1:${port}`, child, directory);
  }

  /** Ends its processes and removes its files. */
  async stop(): Promise<void> {
    const exited = once(this.child, 'exit');
    if (this.child.kill()) await withDeadline(exited, STOP_DEADLINE_MS, () => 'the load balancer does not end');
    rmSync(this.directory, { recursive: true });
  }
}

/** The file of `deploy/` with local addresses. Throws if a text that has to be replaced is missing. */
function localized(kind: BalancerKind, port: number, backends: readonly Backend[]): string {
  const { file, listen } = SETUPS[kind];
  const replacements = [[listen, listen.replace(/:?80$/, `127.0.0.1:${port}`)]];
  // HAProxy refuses to start if the limit of open files is lower
  if (kind === 'haproxy') replacements.push(['maxconn 30000', 'maxconn 8000']);
  for (const [i, backend] of backends.entries()) {
    const name = `relay-${i + 1}:8080`;
    const local = `127.0.0.1:${backend.port}`;
    if (kind === 'haproxy') replacements.push([`${name} port 8081`, `${local} port ${backend.adminPort}`]);
    else replacements.push([name, local]);
  }
  return replacements.reduce(
    (text, [from = '', to = '']) => {
      if (text.split(from).length !== 2) throw new Error(`deploy/${file} must have "${from}" once`);
      return text.replace(from, to);
    },
    readFileSync(path.join(DEPLOY, file), 'utf8'),
  );
}

async function provide(kind: BalancerKind): Promise<string> {
  const candidates = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin'].map((folder) => path.join(folder, kind));
  const find = () => candidates.find(isExecutable);
  const report = (line: string): void => void process.stderr.write(`${kind}: ${line}\n`);
  if (!find() && installProblem() === undefined) await installPackages([kind], report);
  const found = find();
  if (!found) throw new Error(`This test needs ${kind}, which is not installed (apt-get install ${kind}).`);
  return found;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
