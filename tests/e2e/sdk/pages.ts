/** The tests' pages: the SDK's sources with React's development build, served from their own origin. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { json } from 'node:stream/consumers';
import { build } from 'esbuild';
import { Inbox } from '../../../server/src/contract/test-inbox.js';

/** Each name has a script in page/, and an empty page that loads the script. */
const SCRIPTS = ['page', 'unattended'];

export class Pages {
  /** Reports that pages without a debugger POST. */
  readonly reports = new Inbox<unknown>('reports of pages');

  private constructor(
    /** For `--allow-origin`. */
    readonly origin: string,
    readonly close: () => Promise<void>,
  ) {}

  static async serve(): Promise<Pages> {
    const scripts = await bundle();
    const server = createServer((request, response) => {
      const name = path.parse(new URL(request.url ?? '', 'http://localhost').pathname);
      if (request.method === 'POST') void pages.take(request).then(() => response.end());
      else if (name.ext === '.js') response.setHeader('Content-Type', 'text/javascript').end(scripts.get(name.name));
      else response.setHeader('Content-Type', 'text/html;charset=utf-8').end(html(name.name));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const pages = new Pages(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    });
    return pages;
  }

  url(page = 'page', query: Readonly<Record<string, string>> = {}): string {
    return `${this.origin}/${page}?${new URLSearchParams(query).toString()}`;
  }

  private async take(request: IncomingMessage): Promise<void> {
    this.reports.add(await json(request));
  }
}

function html(page: string): string {
  const script = SCRIPTS.includes(page) ? `<script type="module" src="${page}.js"></script>` : '';
  return `<!doctype html><title>${page}</title><link rel="icon" href="data:,">${script}<div id="root"></div>`;
}

/** tsconfig.json resolves the packages' names to their sources. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const { outputFiles } = await build({
    entryPoints: SCRIPTS.map((name) => path.join(import.meta.dirname, `page/${name}.tsx`)),
    outdir: import.meta.dirname,
    define: { 'process.env.NODE_ENV': '"development"' },
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return new Map(outputFiles.map((file) => [path.parse(file.path).name, file.text]));
}
