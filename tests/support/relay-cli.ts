/**
 * The command line as users start it, built from the working tree, for tests that send signals to processes. Each test
 * file has its own build. It is not in `dist`, which other suites build, but near it, so that packages are found.
 */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

const SERVER = path.resolve(__dirname, '../../server');

export interface CliProcess {
  readonly child: ChildProcess;
  readonly websocketUrl: string;
  readonly tcpUrl: string;
  readonly adminUrl: string;
  /** Resolves with the exit status, even if the process has already ended; null: a signal killed it. */
  readonly exited: Promise<number | null>;
}

export class RelayCli {
  private readonly running = new Set<ChildProcess>();
  private readonly folder = path.join(SERVER, '.cache', randomUUID());

  /** The script that Node runs. */
  readonly program = path.join(this.folder, 'dist/cli.js');

  constructor() {
    const compiler = path.resolve(SERVER, '../node_modules/typescript/bin/tsc');
    const project = path.join(SERVER, 'tsconfig.json');
    const flags = ['-p', project, '--outDir', path.join(this.folder, 'dist'), '--noCheck'];
    execFileSync(process.execPath, [compiler, ...flags]);
    copyFileSync(path.join(SERVER, 'package.json'), path.join(this.folder, 'package.json'));
  }

  /**
   * Resolves when it listens. Uses free ports, except those that the flags set. `nofile`: its limit of open files. The
   * log goes to `log`, or to stderr.
   */
  async start(
    flags: readonly string[],
    environment: NodeJS.ProcessEnv = {},
    { nofile, log }: { readonly nofile?: number; readonly log?: (line: string) => void } = {},
  ): Promise<CliProcess> {
    const all = ['--port', '0', '--tcp-port', '0', '--admin-port', '0', '--log-level', 'silent', ...flags];
    const limited = ['-c', `ulimit -n ${nofile}; exec "$0" "$@"`, process.execPath];
    const [file, before] = nofile === undefined ? [process.execPath, []] : ['bash', limited];
    const child = spawn(file, [...before, this.program, ...all], {
      stdio: ['ignore', 'pipe', log ? 'pipe' : 'inherit'],
      env: { ...process.env, ...environment },
    });
    if (log && child.stderr) createInterface(child.stderr).on('line', log);
    this.running.add(child);
    const exited = once(child, 'exit').then(([status]) => {
      this.running.delete(child);
      return status as number | null;
    });
    const urls = new Map<string, string>();
    for await (const line of createInterface(child.stdout!)) {
      const [, kind = '', url = ''] = /^listening {2}(\w+) +(\S+)$/.exec(line) ?? [];
      if (urls.has(kind)) throw new Error(`${kind} is announced twice`);
      urls.set(kind, url);
      if (urls.has('admin')) break;
    }
    if (!urls.has('admin')) throw new Error(`The relay did not start: ${all.join(' ')}`);
    const url = (kind: string): string => urls.get(kind) ?? '';
    return { child, websocketUrl: url('websocket'), tcpUrl: url('tcp'), adminUrl: url('admin'), exited };
  }

  /** For a process that ends by itself, such as a failing start. */
  async run(flags: readonly string[]): Promise<{ status: number | null; stderr: string }> {
    const child = spawn(process.execPath, [path.join(this.folder, 'dist/cli.js'), ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.running.add(child);
    const exited = once(child, 'exit').then(([status]) => status as number | null);
    const stderr = await text(child.stderr);
    const status = await exited;
    this.running.delete(child);
    return { status, stderr };
  }

  /** For `afterEach`: kills all running processes. */
  async killAll(): Promise<void> {
    await Promise.all(
      [...this.running].map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
  }

  /** For `afterAll`. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The worker processes of a relay. */
export function workersOf({ child }: Pick<CliProcess, 'child'>): number[] {
  const output = execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' });
  const rows = output.split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  return rows.flatMap(([pid = 0, parent]) => (parent === child.pid ? pid : [])).filter(isAlive);
}

export function isAlive(pid: number): boolean {
  try {
    return execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z') === false;
  } catch {
    return false;
  }
}
