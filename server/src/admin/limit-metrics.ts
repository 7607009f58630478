/** The metrics of all limits of a relay, by the names of their options. */
import { Counter, Gauge } from 'prom-client';
import type { Aggregator, Registry } from 'prom-client';
import type { WatchedLimit } from '../load/watched-limit.js';

export interface MeasuredLimits {
  all(): readonly WatchedLimit[];
}

export function addLimitMetrics(limits: MeasuredLimits, registry: Registry): void {
  const gauge = (
    name: string,
    help: string,
    read: (limit: WatchedLimit) => number | undefined,
    aggregator: Aggregator,
  ) =>
    void new Gauge({
      aggregator,
      name: `stomp_relay_limit_${name}`,
      help,
      labelNames: ['limit'],
      registers: [registry],
      collect() {
        for (const each of limits.all()) {
          const value = read(each);
          if (value !== undefined) this.set({ limit: each.limit }, value);
        }
      },
    });
  gauge('used', 'Part of a limit that is in use', ({ used }) => used, 'sum');
  gauge('allowed', 'Value of a limit', ({ allowed }) => allowed, 'sum');
  gauge('share_used', 'Part of a limit that the account with most of it uses', ({ share }) => share?.used, 'max');
  const shareHelp = 'Part of a limit that one account can use while more than half is in use';
  gauge('share_allowed', shareHelp, ({ share }) => share?.allowed, 'max');
  new Counter({
    name: 'stomp_relay_limit_refused_total',
    help: 'Refusals by a limit (bound: pot) or by a share of it; with limits.mode report also what would be refused',
    labelNames: ['limit', 'bound'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { limit, refused } of limits.all()) {
        for (const [bound, count = 0] of Object.entries(refused)) this.inc({ limit, bound }, count);
      }
    },
  });
}
