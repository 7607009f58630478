/** Servers that tests start end with the tests, however those end: see watchdog-program.js. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { withDeadline } from './deadline.js';

const PROGRAM = path.join(__dirname, 'watchdog-program.js');
const START_DEADLINE_MS = 15_000;
const STOP_DEADLINE_MS = 30_000;

/** Guards whatever runs with RELAY_TEST_NODE=`id` in its environment, and the directory. Start it before them. */
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
  // neither it nor its pipes keep the test process alive
  child.unref();
  for (const pipe of [child.stdin, child.stdout] as unknown as { unref(): void }[]) pipe.unref();
  return child;
}

/** Ends what it guards. */
export async function stopWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null) return;
  watchdog.ref();
  const exit = once(watchdog, 'exit');
  watchdog.stdin?.end();
  const [code] = (await withDeadline(exit, STOP_DEADLINE_MS, () => 'the test node does not end')) as [number | null];
  if (code !== 0) throw new Error(`the watchdog of the test node failed with ${code}: a node may be left`);
}

/** The processes of nodes whose id begins with `prefix`, a line each: empty when nothing is left. */
export function guardedProcesses(prefix: string): string[] {
  const output = execFileSync(process.execPath, [PROGRAM, 'list', prefix], { encoding: 'utf8' });
  return output.split('\n').filter((line) => line !== '');
}
