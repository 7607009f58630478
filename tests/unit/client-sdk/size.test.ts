/** The client's share of an application's bundle: its size, and no code that the application does not import. */
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { build } from 'esbuild';
import type { BuildOptions } from 'esbuild';
import { readPage, tableUnder } from '../../support/page-tables.js';

const ROOT = path.resolve(__dirname, '../../..');
const CORE = path.join(ROOT, 'client-sdk/src/core/index.ts');
const REACT = path.join(ROOT, 'client-sdk/src/react/index.ts');
const REACT_ALONE: BuildOptions = { entryPoints: [REACT], external: ['react', 'react/*', '../core/*'] };

/** The limits in KiB, by name in the README's table. */
const GATES: readonly [name: string, bundled: BuildOptions, maxKib: number][] = [
  ['core with stompjs', { entryPoints: [CORE] }, 13.15],
  ['`/react`, without React', REACT_ALONE, 2.5],
];

describe.each(GATES)('%s', (name, bundled, maxKib) => {
  test(`has at most ${maxKib} KiB minified and gzipped, and the size in the README`, async () => {
    const { gzippedBytes } = await bundle(bundled);
    const kib = gzippedBytes / 1024;
    process.stdout.write(`${name}: ${gzippedBytes} bytes, ${kib.toFixed(2)} KiB of ${maxKib} KiB\n`);
    expect(kib).toBeLessThanOrEqual(maxKib);
    const row = tableUnder(readPage(path.join(ROOT, 'client-sdk/README.md')), 'Size').find(([first]) => first === name);
    expect(row).toEqual([name, expect.stringMatching(/^[\d.]+ KiB$/), `${maxKib} KiB`]);
    expect(Math.abs(parseFloat(row![1]!) - kib)).toBeLessThan(0.25);
  });
});

describe('tree-shaking', () => {
  const packagesIn = (files: readonly string[]) => [
    ...new Set(files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? 'ours')),
  ];
  const application = (contents: string): BuildOptions => ({ stdin: { contents, resolveDir: ROOT, loader: 'ts' } });

  test('RelayError alone bundles no stompjs', async () => {
    const { files } = await bundle(application(`import { RelayError } from 'stomp-relay-client'; throw RelayError;`));
    expect(files).toEqual(['client-sdk/src/core/relay-error.ts']);
  });

  test('a hook bundles neither stompjs nor the other hooks', async () => {
    const code = `import { useConnection } from 'stomp-relay-client/react'; export default useConnection;`;
    const one = await bundle({ ...application(code), external: ['react'] });
    expect(packagesIn(one.files)).toEqual(['ours']);
    const all = await bundle({ ...REACT_ALONE, external: ['react'] });
    expect(one.files.length).toBeLessThan(all.files.length);
    expect(one.gzippedBytes).toBeLessThan(all.gzippedBytes / 2);
  });

  test('the core bundles stompjs, and nothing of React', async () => {
    const { files } = await bundle({ entryPoints: [CORE] });
    expect(packagesIn(files).sort()).toEqual(['@stomp/stompjs', 'ours']);
    expect(files.filter((file) => file.includes('/react/'))).toEqual([]);
  });
});

test('a browser bundle contains no code of Node', async () => {
  const { imports, code } = await bundle({ entryPoints: [REACT], external: ['react'] });
  expect(imports.filter(isBuiltin)).toEqual([]); // the bundler adds no replacement either: it would have failed
  expect(code).not.toMatch(/\b(?:require\(|Buffer\b|process\.|setImmediate|__dirname)/);
});

interface Bundle {
  readonly code: string;
  readonly gzippedBytes: number;
  /** Source files with code in the bundle, relative to the repository. */
  readonly files: readonly string[];
  /** Imports that remain in the bundle. */
  readonly imports: readonly string[];
}

/** Bundles like an application's build for browsers. */
async function bundle(options: BuildOptions): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    alias: { 'stomp-relay-client': CORE, 'stomp-relay-client/react': REACT },
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    jsx: 'automatic',
    outdir: '.cache/bundle', // a name only: nothing is written
    ...options,
    write: false,
    metafile: true,
  });
  const made = Object.values(metafile.outputs)[0]!;
  const inputs = Object.entries(made.inputs).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return {
    code: outputFiles[0]!.text,
    gzippedBytes: gzipSync(outputFiles[0]!.contents, { level: 9 }).length,
    files: inputs.map(([file]) => file).filter((file) => file !== '<stdin>'),
    imports: made.imports.map(({ path }) => path),
  };
}
