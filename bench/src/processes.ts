/** Processes of servers and generators: starts them on their core, awaits them, and always ends them, by id. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export const SERVER_CORE = 0;
export const GENERATOR_CORE = 1;
const LISTEN_SECONDS = 30;
const END_SECONDS = 5;

export interface Running {
  readonly pid: number;
  readonly stop: () => Promise<void>;
}

/** Returns the path of a program, or undefined. Some Debian packages install into folders that only root's PATH has. */
export function findProgram(name: string): string | undefined {
  for (const folder of [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin']) {
    try {
      const file = path.join(folder, name);
      execFileSync('test', ['-x', file]);
      return file;
    } catch {
      // not there
    }
  }
  return undefined;
}

export class Processes {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'relay-bench-'));
  private readonly children = new Set<ChildProcess>();
  private readonly canPin = cpus().length > 1 && findProgram('taskset') !== undefined;

  /** Binds a command to a core; returns it unchanged if this machine cannot. */
  pinned(core: number, command: readonly string[]): string[] {
    return this.canPin ? ['taskset', '-c', String(core), ...command] : [...command];
  }

  get arePinned(): boolean {
    return this.canPin;
  }

  /** Starts a server on the servers' core; resolves when it listens on `port`. */
  async serve(name: string, command: readonly string[], port: number): Promise<Running> {
    const logFile = path.join(this.directory, `${name}.log`);
    const log = openSync(logFile, 'w');
    const [program = '', ...args] = this.pinned(SERVER_CORE, command);
    const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: this.directory });
    closeSync(log);
    this.children.add(child);
    let failure: string | undefined;
    child.once('error', (error) => (failure = error.message));
    const deadline = Date.now() + LISTEN_SECONDS * 1_000;
    while (!(await isListening(port))) {
      if (child.exitCode !== null) failure = `ended with ${child.exitCode}`;
      if (failure !== undefined || Date.now() > deadline) {
        await this.end(child);
        const tail = readFileSync(logFile, 'utf8').slice(-600);
        throw new Error(
          `${name} does not listen: ${failure ?? `nothing on its port after ${LISTEN_SECONDS} s`}\n${tail}`,
        );
      }
      await delay(50);
    }
    return { pid: child.pid ?? 0, stop: () => this.end(child) };
  }

  /** Runs a command on the generator's core; resolves with its stdout. */
  async run(command: readonly string[], seconds: number): Promise<string> {
    const [program = '', ...args] = this.pinned(GENERATOR_CORE, command);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.children.add(child);
    let out = '';
    let err = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString()));
    child.stderr.on('data', (data: Buffer) => (err = (err + data.toString()).slice(-1_000)));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, seconds * 1_000);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    clearTimeout(timer);
    this.children.delete(child);
    if (isLate) throw new Error(`the generator did not end in ${seconds} s`);
    if (code !== 0) throw new Error(`the generator ended with ${code}: ${err}`);
    return out;
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.children].map((child) => this.end(child)));
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(child: ChildProcess): Promise<void> {
    this.children.delete(child);
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), END_SECONDS * 1_000);
    await ended;
    clearTimeout(timer);
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
