/** The admin HTTP app: health, metrics and the admin API, on a port of its own that the public need not reach. */
import type { Express } from 'express';
import { type AppOptions, createApp, failed, hostGuard, notFound } from '../http/base-app.js';
import { adminApi, type AdminApiOptions } from './admin-api.js';
import { healthRoute, type HealthSources } from './health-route.js';
import { metricsRoute, type MetricsText } from './metrics-route.js';

export interface AdminAppOptions extends AppOptions {
  readonly health: HealthSources;
  readonly metrics: MetricsText;
  readonly api: AdminApiOptions;
}

/** The health routes answer whatever Host says: load balancers leave it out, and a page learns nothing from the answer. */
export function createAdminApp(options: AdminAppOptions): Express {
  const { health, metrics, api } = options;
  return createApp()
    .use(healthRoute(health))
    .use(hostGuard(options))
    .use(metricsRoute(metrics))
    .use('/api', adminApi(api))
    .use(notFound, failed(options));
}
