/** The route /metrics for Prometheus. */
import { Router } from 'express';

export interface MetricsText {
  readonly contentType: string;
  text(): Promise<string>;
}

export function metricsRoute(metrics: MetricsText): Router {
  const router = Router();
  router.get('/metrics', async (_request, response) => {
    response.set('Content-Type', metrics.contentType).send(await metrics.text());
  });
  return router;
}
