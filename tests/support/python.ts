/**
 * A Python with stomp.py, for the tests with real clients: a virtual environment in .cache/, created once for each
 * content of requirements.txt. If Python or its venv module is missing, root installs Debian's package.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { installPackages, installProblem } from './debian-packages.js';

const run = promisify(execFile);
const REQUIREMENTS = path.join(__dirname, 'requirements.txt');
const CACHE = path.join(__dirname, '../../.cache');
const PIP_DEADLINE_MS = 300_000;

const report = (line: string) => void process.stderr.write(`python: ${line}\n`);

/** The path of a Python interpreter that can `import stomp`. The first call may take a minute. */
export async function pythonWithStomp(): Promise<string> {
  const hash = createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 12);
  const folder = path.join(CACHE, `python-${hash}`);
  const python = path.join(folder, 'bin/python');
  if (existsSync(python)) return python;

  await requireVenv();
  mkdirSync(CACHE, { recursive: true });
  // Created beside its final place and moved there when complete, because another test file may do the same
  const draft = `${folder}.${process.pid}`;
  try {
    report('creating a virtual environment with stomp.py in .cache');
    await run('python3', ['-m', 'venv', draft]);
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '-r', REQUIREMENTS];
    await run(path.join(draft, 'bin/python'), pip, { timeout: PIP_DEADLINE_MS });
    if (!existsSync(folder)) renameSync(draft, folder);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
  return python;
}

/** Runs a Python program to its end and resolves with its output. */
export async function runPython(program: string, args: readonly string[] = [], ms = 30_000): Promise<string> {
  const { stdout } = await run(await pythonWithStomp(), ['-u', '-c', program, ...args], { timeout: ms });
  return stdout;
}

async function requireVenv(): Promise<void> {
  const works = () => run('python3', ['-c', 'import venv, ensurepip']).then(Boolean, () => false);
  if (await works()) return;
  const problem = installProblem();
  if (problem === undefined) await installPackages(['python3-venv'], report);
  if (await works()) return;
  throw new Error(
    'The tests with stomp.py need Python 3 with its venv module. Install it (on Debian: apt-get install python3-venv), ' +
      `or run the tests as root on Debian, which installs it${problem === undefined ? '' : ` (here: ${problem})`}.`,
  );
}
