/** The admin HTTP app: health, metrics and the admin API, on a separate port that need not be public. */
import type { Express } from 'express';
import { createApp, failed, hostGuard, notFound } from '../http/base-app.js';
import type { AppOptions } from '../http/base-app.js';
import { adminApi } from './admin-api.js';
import type { AdminApiOptions } from './admin-api.js';
import { healthRoute } from './health-route.js';
import type { HealthSources } from './health-route.js';
import { metricsRoute } from './metrics-route.js';
import type { MetricsText } from './metrics-route.js';

export interface AdminAppOptions extends AppOptions {
  readonly health: HealthSources;
  readonly metrics: MetricsText;
  readonly api: AdminApiOptions;
}

/**
 * The health routes come before the check of Host: load balancers may omit it, and their answers are not confidential.
 */
export function createAdminApp(options: AdminAppOptions): Express {
  const { health, metrics, api } = options;
  return createApp()
    .use(healthRoute(health))
    .use(hostGuard(options))
    .use(metricsRoute(metrics))
    .use('/api', adminApi(api))
    .use(notFound, failed(options));
}
