/** The built command line, as a user starts it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';

const CLI = path.resolve(import.meta.dirname, '../../server/dist/cli.js');

export interface RelayProcess {
  readonly pageUrl: string;
  readonly websocketUrl: string;
  readonly adminUrl: string;
  readonly port: string;
  readonly child: ChildProcess;
  /** Resolves with the exit status. */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Resolves when the relay has printed its addresses. */
export async function startRelay(...flags: string[]): Promise<RelayProcess> {
  const child = spawn(process.execPath, [CLI, '--admin-port', '0', '--broker', 'memory:', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, RELAY_LOG_LEVEL: 'error' },
  });
  const urls = new Map<string, string>();
  for await (const line of createInterface(child.stdout)) {
    const [, kind = '', url = ''] = /^listening {2}(\w+) +(\S+)$/.exec(line) ?? [];
    urls.set(kind, url);
    if (urls.has('page') && urls.has('websocket') && urls.has('admin')) break;
  }
  const pageUrl = urls.get('page');
  if (pageUrl === undefined) throw new Error(`The relay did not start (${CLI} ${flags.join(' ')}).`);
  return {
    child,
    pageUrl,
    websocketUrl: urls.get('websocket') ?? '',
    adminUrl: urls.get('admin') ?? '',
    port: new URL(pageUrl).port,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
      const exited = once(child, 'exit') as Promise<[number | null]>;
      child.kill(signal);
      return (await exited)[0];
    },
  };
}

/** Runs the command line to its end. */
export async function runCli(...flags: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [status] = (await once(child, 'close')) as [number | null];
  return { status, stdout, stderr };
}
