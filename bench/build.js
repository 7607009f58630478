// Compiles the benchmark into bench/dist, one file per process. Packages stay in node_modules.
import { execFileSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// the peers are packages of bench/package.json alone: a user's `npm ci` leaves them out
const installed = fileURLToPath(new URL('node_modules/.package-lock.json', import.meta.url));
const wanted = fileURLToPath(new URL('package-lock.json', import.meta.url));
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(wanted).mtimeMs) {
  console.error('installing the peers of the benchmark ...');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: import.meta.dirname });
}

const entries = ['bench.ts', 'servers/ws-broadcast.ts', 'servers/net-broadcast.ts'];
const peers = ['servers/socket-io.js', 'servers/stomp-broker.js'];
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: [
    ...[...entries, ...peers].map((entry) => ({
      in: `src/${entry}`,
      out: entry.replace('servers/', 'server-').replace(/\.[jt]s$/, ''),
    })),
    { in: 'src/generator/main.ts', out: 'generator' },
    { in: 'src/growth/growth.ts', out: 'growth' },
  ],
  outdir: 'dist',
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
  // the RabbitMQ node of the tests starts its watchdog from its own folder
  define: { __dirname: JSON.stringify(new URL('../tests/support', import.meta.url).pathname) },
});
