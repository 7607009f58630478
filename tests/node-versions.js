// `npm run test:node [-- 22 24]`: the smoke test on each Node that the packages support, or on those that are named. The
// versions come from npm's package `node`, into .cache. Ends with a line "N passed, N failed".
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

const SUPPORTED = ['20.19', '22', '24', '26'];
const ROOT = path.resolve(import.meta.dirname, '..');
const named = process.argv.slice(2);

let passed = 0;
const failed = [];
for (const version of named.length > 0 ? named : SUPPORTED) {
  const isPassed = run(nodeOf(version), ['tests/smoke.js']);
  if (isPassed) passed++;
  else failed.push(version);
  console.log(`Node ${version}: ${isPassed ? 'passed' : 'FAILED'}`);
}
console.log(`${passed} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

function nodeOf(version) {
  const folder = path.join(ROOT, '.cache/node', version);
  const binary = path.join(folder, 'node_modules/node/bin/node');
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  console.log(`installing Node ${version} ...`);
  const flags = ['--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--loglevel=error'];
  if (!run('npm', ['install', ...flags, `node@${version}`])) throw new Error(`Node ${version} cannot be installed`);
  return binary;
}

function run(program, args) {
  return spawnSync(program, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
}
