/**
 * Runs once: provides a browser and a relay built from what is in the tree. Chromium is the one at CHROMIUM_PATH, else
 * /usr/bin/chromium, which is installed with apt-get on Debian as root.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const USUAL_PATH = '/usr/bin/chromium';

export default function setUp(): void {
  process.env['CHROMIUM_PATH'] ??= USUAL_PATH; // read by the tests
  provideChromium(process.env['CHROMIUM_PATH']);
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}

function provideChromium(path: string): void {
  if (existsSync(path)) return;
  const canInstall = path === USUAL_PATH && existsSync('/etc/debian_version') && process.getuid?.() === 0;
  if (canInstall) {
    process.stderr.write('There is no Chromium here: installing the package chromium with apt-get.\n');
    run('apt-get', ['update']);
    run('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium']);
  }
  if (existsSync(path)) return;
  throw new Error(
    `The browser tests need Chromium, and there is none at ${path}. ` +
      'Install it (apt-get install chromium), or say where it is with CHROMIUM_PATH.',
  );
}

function run(command: string, parameters: string[]): void {
  spawnSync(command, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
}
