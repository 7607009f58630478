// Ends all processes of a test node (of RabbitMQ or PostgreSQL), however the tests ended. Every process of a node
// inherits the variable RELAY_TEST_NODE=<id> (the wrapper script, su, the Erlang VM, epmd, its helpers), so this
// program finds them in the process list. It kills the Erlang VM by its own pid: killing the wrapper alone would leave
// it running.
//
//   node watchdog-program.js guard ID DIR   waits until its standard input closes, also because the parent died or
//                                            was killed, then kills the node and removes its directory
//   node watchdog-program.js list PREFIX    prints the pid and command of each process of nodes with this id prefix
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const KILL_DEADLINE_MS = 15_000;
const [verb, id = '', directory = ''] = process.argv.slice(2);

/** Processes whose environment holds RELAY_TEST_NODE=<prefix...>: [{ pid, command }]. */
function processesOf(prefix) {
  const mark = `RELAY_TEST_NODE=${prefix}`;
  return existsSync('/proc/self/environ') ? fromProc(mark) : fromPs(mark);
}

function fromProc(mark) {
  const found = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) continue;
    try {
      if (
        !readFileSync(`/proc/${entry}/environ`, 'latin1')
          .split('\0')
          .some((line) => line.startsWith(mark))
      )
        continue;
      const command = readFileSync(`/proc/${entry}/cmdline`, 'latin1').replaceAll('\0', ' ').slice(0, 100);
      found.push({ pid: Number(entry), command });
    } catch {
      // it has ended, or belongs to another user
    }
  }
  return found;
}

function fromPs(mark) {
  const lines = execFileSync('ps', ['-axEww', '-o', 'pid=,command='], { encoding: 'utf8', maxBuffer: 64 << 20 });
  return lines
    .split('\n')
    .filter((line) => line.includes(` ${mark}`))
    .map((line) => ({ pid: parseInt(line, 10), command: line.trim().slice(0, 100) }));
}

/** Kills until two checks in a row find nothing: a script that starts the VM may be between two processes. */
async function killAll() {
  const end = Date.now() + KILL_DEADLINE_MS;
  for (let quiet = 0; quiet < 2;) {
    const left = processesOf(id);
    quiet = left.length === 0 ? quiet + 1 : 0;
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // it has ended
      }
    }
    if (Date.now() > end) throw new Error(`processes that do not end: ${JSON.stringify(left)}`);
    await delay(30);
  }
}

if (verb === 'list') {
  for (const { pid, command } of processesOf(id)) console.log(pid, command);
} else if (verb === 'guard' && id !== '') {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.stdin.destroy());
  process.stdin.on('close', () => {
    void killAll().then(() => {
      if (directory !== '') rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    });
  });
  process.stdin.resume();
  console.log('watching');
} else {
  console.error('usage: watchdog-program.js guard ID DIR | list PREFIX');
  process.exitCode = 2;
}
