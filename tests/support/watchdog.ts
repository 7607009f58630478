/** Ends the servers of tests with the tests, however those end: see watchdog-program.js. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { withDeadline } from './deadline.js';

const PROGRAM = path.join(__dirname, 'watchdog-program.js');
const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 30_000;

/** Guards all processes with RELAY_TEST_NODE=`id` in their environment, and the directory. Start it before them. */
export async function startWatchdog(id: string, directory: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, 'guard', id, directory], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await withDeadline(
    once(child.stdout, 'data'),
    START_DEADLINE_MS,
    () => 'the watchdog of the test node does not start',
  );
  // The watchdog and its pipes must not keep the test process alive
  child.unref();
  for (const pipe of [child.stdin, child.stdout] as unknown as { unref(): void }[]) pipe.unref();
  return child;
}

/** Ends the guarded processes. */
export async function stopWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null) return;
  watchdog.ref();
  const exit = once(watchdog, 'exit');
  watchdog.stdin?.end();
  const [code] = (await withDeadline(exit, STOP_DEADLINE_MS, () => 'the test node does not end')) as [number | null];
  if (code !== 0) throw new Error(`the watchdog of the test node failed with ${code}: a node may still run`);
}

/** The processes of nodes whose id starts with `prefix`, one per line; empty if none is left. */
export function guardedProcesses(prefix: string): string[] {
  const output = execFileSync(process.execPath, [PROGRAM, 'list', prefix], { encoding: 'utf8' });
  return output.split('\n').filter((line) => line !== '');
}
