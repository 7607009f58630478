import type { Result } from './messages/message-publisher.js';

/** Plain numbers of the HTTP API; somebody else makes metrics of them. */
export class HttpCounters {
  /** Messages published over HTTP, by result. */
  readonly messages: Record<Result['result'], number> = { confirmed: 0, unroutable: 0, refused: 0 };
  /** Events written to streams. */
  streamEvents = 0;
}
