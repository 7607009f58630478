/** For orchestrators: /livez says that the process turns, /readyz that a client would be served. */
import { Router } from 'express';

export interface HealthSources {
  /** Why no client should be sent here, such as a broker that is away; undefined: all is well. */
  readonly notReady: () => string | undefined | Promise<string | undefined>;
  /** What else belongs into the answer to /readyz. */
  readonly details?: () => object;
}

export function healthRoute({ notReady, details }: HealthSources): Router {
  const router = Router();
  router.get('/livez', (_request, response) => {
    response.json({ status: 'alive' });
  });
  router.get('/readyz', async (_request, response) => {
    const reason = await notReady();
    if (reason === undefined) response.json({ status: 'ready', ...details?.() });
    else response.status(503).json({ status: 'not-ready', reason, ...details?.() });
  });
  return router;
}
