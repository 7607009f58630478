/**
 * Runs once: provides Chromium and builds the relay from the sources. Chromium is at CHROMIUM_PATH, by default
 * /usr/bin/chromium, which is installed with apt-get on Debian as root if it is missing.
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
    process.stderr.write('Chromium is missing: installing the package chromium with apt-get.\n');
    run('apt-get', ['update']);
    run('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium']);
  }
  if (existsSync(path)) return;
  throw new Error(
    `The browser tests need Chromium, which is missing at ${path}. ` +
      'Install it (apt-get install chromium) or set CHROMIUM_PATH to its location.',
  );
}

function run(command: string, parameters: string[]): void {
  spawnSync(command, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
}
