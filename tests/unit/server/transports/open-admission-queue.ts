import { AdmissionQueue } from '../../../../server/src/load/admission-queue.js';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';

/** A queue that admits clients while `load` is not overloaded. */
export function openAdmissionQueue(load = { isOverloaded: false }, waitMaxMs = 100): AdmissionQueue {
  return new AdmissionQueue(
    { waitMaxMs, waitingMax: 50, connectsPerSecondMax: 0 },
    load,
    (perSecond) => new RateLimiter(perSecond),
  );
}
