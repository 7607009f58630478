// Compiles the benchmark into bench/dist, one file per process. Packages stay in node_modules.
import { build } from 'esbuild';

const entries = ['bench', 'servers/ws-broadcast', 'servers/net-broadcast', 'servers/socket-io', 'servers/stomp-broker'];
await build({
  absWorkingDir: import.meta.dirname,
  entryPoints: [
    ...entries.map((entry) => ({ in: `src/${entry}.ts`, out: entry.replace('servers/', 'server-') })),
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
