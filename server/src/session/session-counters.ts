import type { ErrorCode } from '../stomp/errors.js';

/** Plain numbers that the hot path adds to; somebody else makes metrics of them. */
export class SessionCounters {
  readonly framesIn: Record<string, number> = {};
  readonly errors: Partial<Record<ErrorCode, number>> = {};
  messagesOut = 0;
  bytesIn = 0;
  /** Bytes of MESSAGE frames, as written to the wire. */
  messageBytesOut = 0;
  slowConsumers = 0;
}
