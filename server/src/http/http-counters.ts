import type { Result } from './messages/message-publisher.js';

/** Counters of the HTTP API, as plain numbers; `admin/metrics` exports them. */
export class HttpCounters {
  /** Messages published over HTTP, by result. */
  readonly messages: Record<Result['result'], number> = { confirmed: 0, unroutable: 0, refused: 0 };
  /** Events written to streams. */
  streamEvents = 0;
}
