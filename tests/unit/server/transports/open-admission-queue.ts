import { AdmissionQueue } from '../../../../server/src/load/admission-queue.js';
import { ConnectPace } from '../../../../server/src/load/connect-pace.js';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';

/** A queue that admits clients while `load` is not overloaded. */
export function openAdmissionQueue(load = { isOverloaded: false }, waitMaxMs = 100): AdmissionQueue {
  return new AdmissionQueue(
    { waitMaxMs, waitingMax: 50, connectsPerSecondMax: 0 },
    load,
    (perSecond) => new RateLimiter(perSecond),
    { pace: new ConnectPace(0, new LimitMode()), accountOf: () => undefined },
  );
}
