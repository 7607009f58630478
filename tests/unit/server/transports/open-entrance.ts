import { Pace } from '../../../../server/src/pace.js';
import { Entrance } from '../../../../server/src/transports/entrance.js';

/** Shut while `load` says that there is overload. */
export function openEntrance(load = { isOverloaded: false }, waitMaxMs = 100): Entrance {
  return new Entrance({ waitMaxMs, waitingMax: 50, connectsPerSecondMax: 0 }, load, (perSecond) => new Pace(perSecond));
}
