/** The public HTTP app: the demo page, the API, and an answer for plain requests to the WebSocket path. */
import { fileURLToPath } from 'node:url';
import express from 'express';
import type { Express, RequestHandler, Router } from 'express';
import { createApp, failed, hostGuard, notFound } from './base-app.js';
import type { AppOptions } from './base-app.js';

export interface PublicAppOptions extends AppOptions {
  /** The path of the WebSocket transport, then its aliases. */
  readonly websocketPaths: readonly [string, ...string[]];
  /** Holds a request until its client has a turn. */
  readonly waitForTurn?: RequestHandler;
  /** Router for `<path>/info`. It comes before the check of Host. */
  readonly info?: Router;
  /** Router for `/api`. */
  readonly api?: Router;
  /** Whether the demo page is served. */
  readonly page: boolean;
  /** The built demo page. */
  readonly pageDirectory?: string;
}

const BUILT_PAGE = fileURLToPath(new URL('../page', import.meta.url));

export function createPublicApp(options: PublicAppOptions): Express {
  const [websocketPath] = options.websocketPaths;
  const app = createApp();
  if (options.waitForTurn) app.use(options.waitForTurn);
  if (options.info) app.use(options.info);
  app.use(hostGuard(options));
  if (options.page) {
    app.get('/page.json', (_request, response) => {
      response.json({ websocketPath });
    });
    app.use(express.static(options.pageDirectory ?? BUILT_PAGE, { redirect: false }));
  }
  // After the page, which has precedence if the WebSocket path is `/`
  app.get([...options.websocketPaths], (_request, response) => {
    response
      .status(426)
      .set({ Upgrade: 'websocket', Connection: 'Upgrade' })
      .json({
        error: 'upgrade-required',
        message: `This path is for STOMP over WebSocket: connect with ws:// or wss:// to ${websocketPath}.`,
      });
  });
  if (options.api) app.use('/api', options.api);
  return app.use(notFound, failed(options));
}
