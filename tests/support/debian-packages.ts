/** Installs packages that tests need on Debian or Ubuntu, as root. Prevents packaged services from starting. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { withDeadline } from './deadline.js';

const POLICY = '/usr/sbin/policy-rc.d';
const DEADLINE_MS = 600_000;

/** The reason why packages cannot be installed here; undefined if they can. */
export function installProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  return existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get') ? undefined : 'not Debian or Ubuntu';
}

export async function installPackages(packages: readonly string[], report: (line: string) => void): Promise<void> {
  report(`installing ${packages.join(' ')} with apt-get, because this is Debian and the user is root`);
  const unlock = await lock();
  // Package scripts ask this program whether they may start a service
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await aptGet(['update'], report);
    await aptGet(['install', '-y', '--no-install-recommends', ...packages], report);
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
    unlock();
  }
}

/**
 * Test files run in several processes, and only one may install at a time. Returns the function that releases the lock.
 * The end of this process releases it too.
 */
async function lock(): Promise<() => void> {
  const file = path.join(tmpdir(), 'relay-test-packages.lock');
  const holder = spawn('flock', [file, 'sh', '-c', 'echo locked; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await withDeadline(once(holder.stdout, 'data'), DEADLINE_MS, () => `${file} stays locked`);
  return () => void holder.stdin.end();
}

async function aptGet(args: readonly string[], report: (line: string) => void): Promise<void> {
  const child = spawn('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=180', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4_000)));
  }
  const progress = setInterval(() => report(`apt-get ${args[0]}: ${output.trimEnd().split('\n').at(-1) ?? ''}`), 5_000);
  try {
    const done = new Promise<number | null>((resolve, reject) => child.once('error', reject).once('close', resolve));
    const code = await withDeadline(done, DEADLINE_MS, () => `apt-get ${args.join(' ')} does not end:\n${output}`);
    if (code !== 0) throw new Error(`apt-get ${args.join(' ')} failed with ${code}:\n${output}`);
  } finally {
    clearInterval(progress);
    child.kill();
  }
}
