/** For orchestrators: /livez says that the process turns, /readyz that a client would be served. */
import { Router } from 'express';

export interface HealthSources {
  /** Why no client should be sent here, such as a broker that is away; undefined: all is well. */
  readonly notReady: () => string | undefined;
}

export function healthRoute({ notReady }: HealthSources): Router {
  const router = Router();
  router.get('/livez', (_request, response) => {
    response.json({ status: 'alive' });
  });
  router.get('/readyz', (_request, response) => {
    const reason = notReady();
    if (reason === undefined) response.json({ status: 'ready' });
    else response.status(503).json({ status: 'not-ready', reason });
  });
  return router;
}
