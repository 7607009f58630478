/**
 * A RabbitMQ 4 for the tests: the programs in RABBITMQ4_BIN, those on the PATH, or, for root on Debian, a private copy of
 * Debian 13 with its package. The copy stays on the machine for the next run. Its programs run in it by chroot, each in a
 * mount namespace of its own, so nothing stays mounted.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const COPY = '/var/cache/stomp-relay-tests/debian-13';
const PROGRAMS = ['rabbitmq-server', 'rabbitmqctl', 'rabbitmq-plugins'];

/** Resolves with the folder of the programs and their version. Throws an Error that names what is missing. */
export function findRabbitMq4() {
  const named = process.env.RABBITMQ4_BIN;
  if (named !== undefined) return checked(named);
  const onPath = versionIn('');
  if (onPath.startsWith('4.')) return { folder: '', version: onPath };
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    throw new Error(
      `RabbitMQ 4 is needed, and the PATH has: ${onPath || 'none'}. Set RABBITMQ4_BIN to the folder of its ` +
        'rabbitmq-server. On Debian the tests install it, if root starts them',
    );
  }
  return checked(installCopy());
}

function checked(folder) {
  const version = versionIn(folder);
  if (!version.startsWith('4.'))
    throw new Error(`${folder} has no RabbitMQ 4: ${version || 'rabbitmqctl does not run'}`);
  return { folder, version };
}

function versionIn(folder) {
  // With a cookie in its arguments, it reads no file of a home directory
  const env = { ...process.env, RABBITMQ_CTL_ERL_ARGS: '-setcookie none' };
  const { stdout, status } = spawnSync(path.join(folder, 'rabbitmqctl'), ['version'], { encoding: 'utf8', env });
  return (status === 0 && /^\d+\.\d+\.\d+/m.exec(stdout)?.[0]) || '';
}

function installCopy() {
  const folder = path.join(COPY, 'relay-tests');
  if (existsSync(folder)) return folder;
  console.error(`installing RabbitMQ 4 from Debian 13 into ${COPY}, once, in a few minutes`);
  const run = (program, ...args) =>
    execFileSync(program, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  if (spawnSync('debootstrap', ['--version']).status !== 0) {
    run('apt-get', '-q', 'update');
    run('apt-get', '-q', 'install', '-y', '--no-install-recommends', 'debootstrap');
  }
  rmSync(COPY, { recursive: true, force: true });
  mkdirSync(path.dirname(COPY), { recursive: true });
  run('debootstrap', '--variant=minbase', '--include=rabbitmq-server', 'trixie', COPY);
  const draft = `${folder}.draft`;
  mkdirSync(draft);
  for (const program of PROGRAMS) {
    writeFileSync(path.join(draft, program), wrapper(program));
    chmodSync(path.join(draft, program), 0o755);
  }
  renameSync(draft, folder);
  return folder;
}

/** The files of a node are in /tmp and belong to the user `rabbitmq` of this machine, if there is one, else to root. */
function wrapper(program) {
  return `#!/bin/sh
ids=0:0
if id rabbitmq >/dev/null 2>&1; then ids=$(id -u rabbitmq):$(id -g rabbitmq); fi
export ids
exec unshare --mount sh -e -c '
  for folder in /tmp /proc /dev; do mount --rbind $folder ${COPY}$folder; done
  exec chroot --userspec=$ids ${COPY} /usr/lib/rabbitmq/bin/${program} "$@"
' ${program} "$@"
`;
}
