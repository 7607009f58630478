// Bundles the demo page into dist/page, and puts the description of the HTTP API into dist. The client library is taken from its sources, so that the order in which
// the workspaces are built does not matter.
import { copyFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

await mkdir(at('dist/page'), { recursive: true });
await build({
  entryPoints: [at('page/page.ts')],
  outfile: at('dist/page/page.js'),
  alias: { 'stomp-relay-client': at('../client-sdk/src/core/index.ts') },
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  sourcemap: true,
  logLevel: 'warning',
});
for (const file of ['index.html', 'page.css', 'icon.svg']) await copyFile(at(`page/${file}`), at(`dist/page/${file}`));
await copyFile(at('../docs/openapi.yaml'), at('dist/openapi.yaml'));
