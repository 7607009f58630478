/**
 * The client's package as it would be published, unpacked in a user's folder. The user's other packages are links to
 * the repository. The package is built from a copy of the sources, so concurrent builds are not disturbed.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(__dirname, '../..');

export interface Consumer {
  readonly folder: string;
  /** The folder of the unpacked package. */
  readonly packageFolder: string;
  write(files: Readonly<Record<string, string>>): void;
  /** Runs Node in the folder and returns its output; throws with the output if it fails. */
  node(...args: string[]): string;
  remove(): void;
}

/** @param packages names of the packages that the user has installed. */
export function packClient(packages: readonly string[]): Consumer {
  // Not below the build folder: there the user would find all packages of the repository
  const folder = mkdtempSync(path.join(tmpdir(), 'relay-client-user-'));
  const packageFolder = path.join(folder, 'node_modules/stomp-relay-client');
  mkdirSync(packageFolder, { recursive: true });
  const stage = mkdtempSync(path.join(tmpdir(), 'relay-client-'));
  try {
    const tarball = pack(stage);
    run('tar', ['xzf', tarball, '-C', packageFolder, '--strip-components=1'], stage);
  } catch (error) {
    rmSync(folder, { recursive: true });
    throw error;
  } finally {
    rmSync(stage, { recursive: true });
  }
  for (const name of packages) {
    const link = path.join(folder, 'node_modules', name);
    mkdirSync(path.dirname(link), { recursive: true });
    symlinkSync(path.join(ROOT, 'node_modules', name), link);
  }
  const write: Consumer['write'] = (files) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  };
  write({ 'package.json': JSON.stringify({ private: true, type: 'module' }) });
  return {
    folder,
    packageFolder,
    write,
    node: (...args) => run(process.execPath, args, folder),
    remove: () => rmSync(folder, { recursive: true }),
  };
}

/** Builds the package from a copy of the sources, and returns its file. */
function pack(stage: string): string {
  const sources = path.join(stage, 'client-sdk');
  const isMade = /[/\\](dist|node_modules)$/;
  cpSync(path.join(ROOT, 'tsconfig.base.json'), path.join(stage, 'tsconfig.base.json'));
  cpSync(path.join(ROOT, 'client-sdk'), sources, { recursive: true, filter: (file) => !isMade.test(file) });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(stage, 'node_modules'));
  run('npm', ['pack', '--silent', '--pack-destination', stage], sources);
  const tarball = readdirSync(stage).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack made no package');
  return path.join(stage, tarball);
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${[command, ...args].join(' ')}:\n${stdout}${stderr}`, { cause: error });
  }
}
