import type { ErrorCode } from '../stomp/errors.js';
import type { SlowPolicy } from './slow-policy.js';

/** Plain numbers that the hot path adds to; somebody else makes metrics of them. */
export class SessionCounters {
  readonly framesIn: Record<string, number> = {};
  readonly errors: Partial<Record<ErrorCode, number>> = {};
  messagesOut = 0;
  bytesIn = 0;
  /** Bytes of MESSAGE frames, as written to the wire. */
  messageBytesOut = 0;
  slowConsumers = 0;
  /** UNSUBSCRIBEs of a subscription that the session did not have. */
  unknownUnsubscribes = 0;
  /** Messages that slow clients were not sent, by policy. */
  readonly dropped: Partial<Record<SlowPolicy, number>> = { 'drop-oldest': 0, latest: 0 };
  /** Messages above `messageMaxBytes`, once for each subscription that was not sent one. */
  messagesTooLarge = 0;
  /** Clients that have left the shared write for now. */
  laggards = 0;
  /** Bytes of SENDs that wait behind others, of all sessions. */
  sendBytesWaiting = 0;
}
