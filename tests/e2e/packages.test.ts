/** The two npm packages as npm would publish them. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.resolve(__dirname, '../..');

interface Packed {
  readonly name: string;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string }[];
}

const npm = (folder: string, ...args: string[]) =>
  spawnSync('npm', args, { cwd: path.join(ROOT, folder), encoding: 'utf8', timeout: 60_000 });

test.each([
  ['server', 'stomp-relay', ['dist/cli.js', 'dist/index.d.ts', 'dist/page/index.html', 'dist/openapi.yaml'], 4_000_000],
  ['client-sdk', 'stomp-relay-client', ['dist/core/index.js', 'dist/react/index.d.ts', 'MIGRATION.md'], 1_000_000],
])('the package of %s contains exactly the files for its users', (folder, name, needed, maxBytes) => {
  const { status, stdout } = npm(folder, 'pack', '--dry-run', '--json', '--ignore-scripts');
  expect(status).toBe(0);
  const [packed] = JSON.parse(stdout) as [Packed];
  const files = packed.files.map((file) => file.path);
  expect(packed.name).toBe(name);
  expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE', ...needed]));
  expect(files.filter((file) => !/^(dist\/|[A-Z]+(\.md)?$|package\.json$)/.test(file))).toEqual([]);
  expect(files.filter((file) => /\.(test|tsbuildinfo)|\/\.built/.test(file))).toEqual([]);
  expect(packed.unpackedSize).toBeLessThan(maxBytes);
});

test.each(['server', 'client-sdk'])('npm publish --dry-run accepts the package of %s without warnings', (folder) => {
  const { status, stderr } = npm(folder, 'publish', '--dry-run', '--ignore-scripts', '--access', 'public');
  expect({ status, problems: stderr.match(/npm (error|warn publish errors).*/g) }).toEqual({
    status: 0,
    problems: null,
  });
});
