/** Decides from where a returning client gets what it missed, or why it cannot. Pure. */
import type { RecoveryReason } from '../history.js';
import type { HistoryMessage } from './history-message.js';
import type { Markers } from './markers.js';
import { digestOf } from './position.js';
import type { Marker, Place } from './position.js';
import type { Ring } from './ring.js';

/** An entry of the ring: a message, or a marker. */
export type RingItem = HistoryMessage | Marker;

export type ReplayPlan =
  /** Everything behind the position is in the ring at this moment. */
  | { readonly from: 'ring' }
  /** A reader has to start at `start`, and to prove the position on its way. */
  | { readonly from: 'reader'; readonly start: number; readonly isMarkerProven: boolean }
  /** This relay has not read that far. */
  | { readonly from: 'ahead' }
  | { readonly from: 'nowhere'; readonly reason: RecoveryReason };

export function planReplay(place: Place, ring: Ring<RingItem>, markers: Markers): ReplayPlan {
  const { offset, marker } = place;
  const verdict = markers.verdict(marker);
  // A marker that this relay has not reached yet is no proof against the position
  if (verdict === 'other' && marker.offset <= ring.newest) return { from: 'nowhere', reason: 'other-history' };
  if (offset > ring.newest) return { from: 'ahead' };
  const isMarkerProven = verdict === 'proven';
  if (offset > ring.floor && !isSame(ring.get(offset), place)) return { from: 'nowhere', reason: 'other-history' };
  if (isMarkerProven && (offset > ring.floor || (offset === ring.floor && offset === marker.offset))) {
    return { from: 'ring' };
  }
  return { from: 'reader', start: isMarkerProven ? offset : marker.offset, isMarkerProven };
}

/** Whether the entry is the one that the position names. */
export function isSame(item: RingItem | undefined, { offset, digest }: Pick<Place, 'offset' | 'digest'>): boolean {
  return item !== undefined && item.offset === offset && digestOfItem(item) === digest;
}

export function digestOfItem(item: RingItem): number {
  return 'id' in item ? digestOf('', undefined, item.id) : item.digest;
}
