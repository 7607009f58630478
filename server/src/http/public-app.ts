/**
 * The public HTTP app: the demo page, the API, and an answer for requests to the WebSocket path that are no handshake.
 */
import { fileURLToPath } from 'node:url';
import express, { type Express, type Router } from 'express';
import { type AppOptions, createApp, failed, hostGuard, notFound } from './base-app.js';

export interface PublicAppOptions extends AppOptions {
  /** Where the WebSocket transport is, and its aliases behind that. */
  readonly websocketPaths: readonly [string, ...string[]];
  /** What answers `<path>/info`, whatever Host says. */
  readonly info?: Router;
  /** What is at `/api`. */
  readonly api?: Router;
  /** The built demo page. */
  readonly pageDirectory?: string;
}

const BUILT_PAGE = fileURLToPath(new URL('../page', import.meta.url));

export function createPublicApp(options: PublicAppOptions): Express {
  const [websocketPath] = options.websocketPaths;
  const app = createApp();
  if (options.info) app.use(options.info);
  app.use(hostGuard(options));
  app.get('/page.json', (_request, response) => {
    response.json({ websocketPath });
  });
  app.use(express.static(options.pageDirectory ?? BUILT_PAGE, { redirect: false }));
  // After the page, which is at `/` even where the WebSocket is, too.
  app.get([...options.websocketPaths], (_request, response) => {
    response
      .status(426)
      .set({ Upgrade: 'websocket', Connection: 'Upgrade' })
      .json({
        error: 'upgrade-required',
        message: `STOMP over WebSocket is spoken here: connect with ws:// or wss:// to ${websocketPath}.`,
      });
  });
  if (options.api) app.use('/api', options.api);
  return app.use(notFound, failed(options));
}
