import { DeliveryCounters } from '../delivery/delivery-counters.js';
import type { ErrorCode } from '../stomp/errors.js';

/** Plain numbers of all sessions together. Metrics read them. */
export class SessionCounters extends DeliveryCounters {
  readonly framesIn: Record<string, number> = {};
  readonly errors: Partial<Record<ErrorCode, number>> = {};
  bytesIn = 0;
  slowConsumers = 0;
  /** UNSUBSCRIBEs of a subscription that the session did not have. */
  unknownUnsubscribes = 0;
  /** Bytes of SENDs that wait in the sessions' send queues. */
  sendBytesWaiting = 0;
}
