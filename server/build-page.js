// Builds the example application in examples/react-app into dist/page, where the relay serves it at `/`, and puts the
// description of the HTTP API into dist. The application takes the client library from its sources, so that the order in
// which the workspaces are built does not matter.
import { copyFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

// Tests build, too, under another name, which would be React's development build.
process.env.NODE_ENV = 'production';

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  root: at('../examples/react-app'),
  logLevel: 'warn',
  build: { outDir: at('dist/page'), emptyOutDir: true },
});
await copyFile(at('../docs/openapi.yaml'), at('dist/openapi.yaml'));
