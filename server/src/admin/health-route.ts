/** Health checks for orchestrators: /livez shows that the process responds, /readyz that it can serve clients. */
import { Router } from 'express';

export interface HealthSources {
  /** The reason why this relay should get no clients, such as an unavailable broker; undefined if it is ready. */
  readonly notReady: () => string | undefined | Promise<string | undefined>;
  /** Further members for the answer of /readyz. */
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
