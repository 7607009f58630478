/** `npm start` builds stale output. The tests use a folder with the structure of the repository. */
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BOTH = 'building the server ...\nbuilding the page ...\n';
let folder: string;

function write(file: string, text = ''): void {
  const target = path.join(folder, file);
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
}

/** Sets the time of a file to after the last build. */
function change(file: string): void {
  const later = new Date(Date.now() + 5_000);
  utimesSync(path.join(folder, file), later, later);
}

/** Runs the script and returns its output, which names the parts that it builds. */
function build(): string {
  const { status, stderr } = spawnSync(process.execPath, ['server/build-if-stale.js'], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status).toBe(0);
  return stderr;
}

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'build-if-stale-'));
  write('package.json', '{ "type": "module" }');
  write('server/src/cli.ts', 'export const answer: number = 42;');
  write('server/package.json', '{ "type": "module" }');
  write('server/build-page.js', '');
  for (const file of ['server/tsconfig.json', 'tsconfig.base.json']) write(file, '{}');
  for (const file of ['examples/react-app/index.html', 'client-sdk/src/index.ts', 'docs/openapi.yaml']) write(file);
  copyFileSync(path.join(ROOT, 'server/build-if-stale.js'), path.join(folder, 'server/build-if-stale.js'));
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the first run builds server and page, and later runs build only changed parts', () => {
  expect(build()).toBe(BOTH);
  expect(existsSync(path.join(folder, 'server/dist/cli.js'))).toBe(true);
  expect(build()).toBe('');
  change('server/src/cli.ts');
  expect(build()).toBe('building the server ...\n');
  change('client-sdk/src/index.ts');
  expect(build()).toContain('building the page ...\n');
});

test('a deleted source leaves no file in dist', () => {
  write('server/src/old.ts', 'export {};');
  build();
  expect(existsSync(path.join(folder, 'server/dist/old.js'))).toBe(true);
  rmSync(path.join(folder, 'server/src/old.ts'));
  change('server/src');
  build();
  expect(existsSync(path.join(folder, 'server/dist/old.js'))).toBe(false);
});

test('output of `npm run build` is not built again', () => {
  for (const file of ['server/dist/cli.js', 'server/dist/cli.d.ts', 'server/dist/page/index.html']) write(file);
  expect(build()).toBe('');
});
