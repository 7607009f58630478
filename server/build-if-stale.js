// Runs before the relay with `npm start`: builds the parts of dist that are older than their sources. It compiles
// without checking types (`npm run build` checks them), so that a first start takes seconds.
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const at = (name) => fileURLToPath(new URL(name, import.meta.url));

// `built`: the newest of these is the time of the last build, by this program or by `npm run build`
const PARTS = [
  {
    name: 'server',
    built: ['dist/.built-server', 'dist/cli.d.ts'],
    sources: ['src', 'package.json', 'tsconfig.json', '../tsconfig.base.json'],
    build: buildServer,
  },
  {
    name: 'page',
    built: ['dist/.built-page', 'dist/page/index.html'],
    sources: ['../examples/react-app', '../client-sdk/src', '../docs/openapi.yaml', 'build-page.js'],
    build: () => import('./build-page.js'),
  },
];

for (const { name, built, sources, build } of PARTS) {
  if (newestOf(built) >= newestOf(sources)) continue;
  process.stderr.write(`building the ${name} ...\n`);
  await build();
  mkdirSync(at('dist'), { recursive: true });
  writeFileSync(at(built[0]), '');
}

async function buildServer() {
  const { build } = await import('esbuild');
  // a file that is gone from the sources must not stay in dist
  for (const entry of existsSync(at('dist')) ? readdirSync(at('dist')) : []) {
    if (!['page', 'openapi.yaml', '.built-page'].includes(entry)) rmSync(at(`dist/${entry}`), { recursive: true });
  }
  const files = readdirSync(at('src'), { recursive: true }).filter((file) => file.endsWith('.ts'));
  await build({
    absWorkingDir: at('.'),
    entryPoints: files.map((file) => `src/${file}`),
    outdir: 'dist',
    outbase: 'src',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: true,
    logLevel: 'warning',
  });
}

/** The time of the newest of these files, and of the files below these folders; 0 where there is none. */
function newestOf(names) {
  let newest = 0;
  for (const name of names) {
    const file = at(name);
    if (!existsSync(file)) continue;
    const stats = statSync(file);
    if (!stats.isDirectory()) newest = Math.max(newest, stats.mtimeMs);
    else newest = Math.max(newest, stats.mtimeMs, newestOf(entriesOf(name)));
  }
  return newest;
}

function entriesOf(folder) {
  return readdirSync(at(folder))
    .filter((entry) => entry !== 'node_modules')
    .map((entry) => `${folder}/${entry}`);
}
