/** Decides from where a returning client gets what it missed, or why it cannot. Pure. */
import type { RecoveryReason } from '../history.js';
import type { HistoryMessage } from './history-message.js';
import type { Markers } from './markers.js';
import { digestOf, isDigestOf } from './position.js';
import type { Marker, Place } from './position.js';
import type { Ring } from './ring.js';

/** An entry of the ring: a message, or a marker. */
export type RingItem = HistoryMessage | Marker;

export type ReplayPlan =
  /** Everything behind the position is in the ring at this moment. */
  | { readonly from: 'ring' }
  /** A reader has to prove the position on its way. `marker` is whole if it is proven. */
  | { readonly from: 'reader'; readonly marker: Marker; readonly isMarkerProven: boolean }
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
  const known = isMarkerProven ? markers.at(marker.offset)! : marker;
  if (offset > ring.floor && !isPlace(ring.get(offset), place, isMarkerProven ? known.id : undefined)) {
    return { from: 'nowhere', reason: 'other-history' };
  }
  if (isMarkerProven && (offset > ring.floor || (offset === ring.floor && offset === marker.offset))) {
    return { from: 'ring' };
  }
  return { from: 'reader', marker: known, isMarkerProven };
}

/** Whether the entry is the one that the position names, as far as that is known without the marker's whole id. */
export function isPlace(item: RingItem | undefined, place: Pick<Place, 'offset' | 'digest'>, id?: string): boolean {
  if (item?.offset !== place.offset) return false;
  return id === undefined || isDigestOf(place, digestOfItem(item), id);
}

export function digestOfItem(item: RingItem): number {
  return 'id' in item ? digestOf('', undefined, item.id) : item.digest;
}
