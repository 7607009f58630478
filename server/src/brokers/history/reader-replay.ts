/**
 * A replay of messages that are no longer in the ring. A reader passes it the entries of the log; when they reach the
 * ring, the rest comes from there.
 *
 *   proving -> reading <-> paused      a full buffer pauses: the reader waits a moment, then leaves, and comes back
 *              reading -> ring         the entries have reached the ring
 *   any of them -> over                refused, interrupted, closed
 */
import type { Account } from '../../load/accounts.js';
import type { LogEntry, RecoveryReason, Replay, ReplayStep } from '../history.js';
import { messageBytes } from '../message-checks.js';
import type { HistoryMessage } from './history-message.js';
import { matcherOf } from './key-table.js';
import type { KeyPattern } from './key-table.js';
import { digestOf, isDigestOf, publicIdOf } from './position.js';
import type { Marker, Place } from './position.js';
import type { ReplayBuffers } from './replay-buffers.js';
import { digestOfItem, isPlace } from './replay-plan.js';
import type { RingItem } from './replay-plan.js';
import { RingReplay } from './ring-replay.js';
import type { ReplaySource } from './ring-replay.js';
import type { Ring } from './ring.js';

/** An entry counts for at least this many bytes. */
export const ENTRY_MIN_BYTES = 512;

export interface ReaderSource extends ReplaySource {
  readonly ring: Ring<RingItem>;
  readonly buffers: ReplayBuffers;
  readonly history: { readonly replayMaxBytes: number; readonly replayBufferMaxBytes: number };
}

export interface ReplayWish {
  readonly source: ReaderSource;
  readonly pattern: KeyPattern;
  /** It waits for readers, and its buffer counts, with the others of this account. */
  readonly account: Account;
}

/** `isMarkerProven`: the relay knows the marker, so a reader need not begin there. */
export type ProvenPlace = Place & { readonly isMarkerProven: boolean };

export function startOf({ offset, marker, isMarkerProven }: ProvenPlace): number {
  return isMarkerProven ? offset : marker.offset;
}

/** Calls of a replay to its readers. */
export interface ReaderDesk {
  /** It has room again. */
  resumed(replay: ReaderReplay): void;
  /** It needs no reader any more. */
  left(replay: ReaderReplay): void;
}

/** The next entry that has to be exactly this one. */
interface Proof {
  readonly offset: number;
  isMet(entry: LogEntry): boolean;
}

/** The next act of the reader for this replay. */
export type Wish = 'more' | 'pause' | 'leave';

/** Called once with the verdict: undefined if the position is proven. */
export type Verdict = (refusal: RecoveryReason | undefined) => void;

export class ReaderReplay implements Replay {
  readonly count = undefined;
  readonly account: Account;
  /** The offset from which a reader has to read. */
  start: number;
  /** The last marker that was read; at first that of the position. */
  marker: Marker;
  private readonly source: ReaderSource;
  private readonly pattern: KeyPattern;
  private state: 'proving' | 'reading' | 'paused' | 'ring' | 'over' = 'proving';
  private proofs: Proof[];
  private readonly matches: (key: string) => boolean;
  private buffer: HistoryMessage[] = [];
  private bufferBytes = 0;
  /** At the last pause. */
  private pausedBytes = 0;
  /** The whole id, once the marker of the position has been read. */
  private placeMarkerId: string;
  private readBytes = 0;
  private ringReplay: RingReplay | undefined;
  private interruption: RecoveryReason | undefined;
  private ready: (() => void) | undefined;

  constructor(
    { source, pattern, account }: ReplayWish,
    private readonly place: ProvenPlace,
    private readonly verdict: Verdict,
  ) {
    const { marker, isMarkerProven } = place;
    this.source = source;
    this.pattern = pattern;
    this.account = account;
    this.start = startOf(place);
    this.marker = marker;
    const proofs = [isMarkerProven ? undefined : this.markerProof(marker), this.placeProof(place)];
    this.placeMarkerId = isMarkerProven ? marker.id : '';
    this.proofs = proofs.filter((proof) => proof !== undefined);
    this.matches = matcherOf(pattern);
  }

  /** `message` makes the message of this entry, once for all replays. Entries come in order, from `start` on. */
  take(entry: LogEntry, message: () => HistoryMessage): Wish {
    if (this.state !== 'proving' && this.state !== 'reading') return 'leave';
    this.readBytes += entry.message ? messageBytes(entry.message) : ENTRY_MIN_BYTES;
    if (this.readBytes > this.source.history.replayMaxBytes) return this.fail('too-much');
    if (this.proofs.length > 0) {
      if (!this.prove(entry)) return this.fail('other-history');
    } else if (entry.message && this.matches(entry.key)) {
      this.keep(message());
    }
    return this.reachRing(entry) ?? (this.isFull ? this.pause(entry) : 'more');
  }

  /** The reader at which this replay became full goes on, so the entry of that pause need not be proven. */
  continueWithoutProof(): void {
    if (this.state === 'reading') this.proofs.shift();
  }

  /** The reader or the feed cannot go on with it. */
  fail(reason: RecoveryReason): 'leave' {
    const { state } = this;
    if (state === 'over' || state === 'ring') return 'leave';
    this.state = 'over';
    if (state === 'proving') this.verdict(reason);
    else {
      this.source.counters.interrupt(reason);
      this.interruption = reason;
    }
    return 'leave';
  }

  next(maxBytes: number): ReplayStep {
    if (this.buffer.length > 0) return { kind: 'messages', messages: this.takeBuffered(maxBytes) };
    if (this.interruption) return { kind: 'interrupted', reason: this.interruption };
    return this.ringReplay?.next(maxBytes) ?? { kind: 'wait' };
  }

  onReady(listener: () => void): void {
    this.ready = listener;
    this.wake();
  }

  /** Calls the listener if there is something to read. The readers call it last, because the listener may call back. */
  wake(): void {
    const { ready } = this;
    if (!ready || (this.buffer.length === 0 && !this.interruption && !this.ringReplay)) return;
    this.ready = undefined;
    ready();
  }

  close(): void {
    this.buffer = [];
    this.hold(-this.bufferBytes);
    this.ready = undefined;
    if (this.state === 'over') return;
    this.state = 'over';
    this.desk?.left(this);
  }

  /** Set by the readers. */
  desk: ReaderDesk | undefined;

  private get isFull(): boolean {
    const { history, buffers } = this.source;
    if (this.bufferBytes >= history.replayBufferMaxBytes) return true;
    return this.bufferBytes > 0 && buffers.isFullFor(this.account);
  }

  /** False if the log does not have the entries of the position. */
  private prove(entry: LogEntry): boolean {
    const proof = this.proofs[0]!;
    if (entry.offset < proof.offset) return true;
    if (entry.offset > proof.offset || !proof.isMet(entry)) return false;
    this.proofs.shift();
    // A marker is also the entry of the positions at it
    const following = this.proofs[0];
    if (following?.offset === entry.offset) return this.prove(entry);
    if (!following) this.proven();
    return true;
  }

  private markerProof({ offset, id }: Marker): Proof {
    const isMet = ({ marker = '' }: LogEntry): boolean => {
      this.placeMarkerId = marker;
      return publicIdOf(marker) === id;
    };
    return { offset, isMet };
  }

  private placeProof(place: Place): Proof {
    const isMet = (entry: LogEntry): boolean => isDigestOf(place, digestOfEntry(entry), this.placeMarkerId);
    return { offset: place.offset, isMet };
  }

  private proven(): void {
    const isFirst = this.state === 'proving';
    this.state = 'reading';
    if (isFirst) this.verdict(undefined);
  }

  private keep(message: HistoryMessage): void {
    this.buffer.push(message);
    this.hold(messageBytes(message));
  }

  private hold(bytes: number): void {
    this.bufferBytes += bytes;
    this.source.buffers.hold(this.account, bytes);
  }

  /** Once the ring has the entry, it has everything behind it. The reader and the ring have to have read the same log. */
  private reachRing(entry: LogEntry): 'leave' | undefined {
    const { ring } = this.source;
    if (entry.offset <= ring.floor) return undefined;
    const digest = digestOf(entry.key, entry.message, entry.marker);
    const item = ring.get(entry.offset);
    if (!item || digestOfItem(item) !== digest) return this.fail('other-history');
    let cursor = entry.offset;
    if (this.proofs.length > 0) {
      cursor = this.proofs.at(-1)!.offset;
      if (this.state === 'proving' && !isPlace(ring.get(cursor), this.place, this.placeMarkerId))
        return this.fail('other-history');
      this.proofs = [];
      this.proven();
    }
    this.state = 'ring';
    this.ringReplay = new RingReplay(this.source, this.pattern, cursor, undefined);
    return 'leave';
  }

  /** A client that reads slowly holds no reader. */
  private pause(entry: LogEntry): 'pause' {
    this.suspend(entry);
    this.state = 'paused';
    this.pausedBytes = this.bufferBytes;
    return 'pause';
  }

  /** The reader leaves it behind this entry. The next one has to begin with the same entry. */
  suspend({ offset, key, message, marker }: LogEntry): void {
    this.start = offset;
    const digest = digestOf(key, message, marker);
    this.proofs.unshift({ offset, isMet: (entry) => digestOfEntry(entry) === digest });
  }

  private takeBuffered(maxBytes: number): readonly HistoryMessage[] {
    let bytes = 0;
    let count = 0;
    for (const message of this.buffer) {
      bytes += messageBytes(message);
      if (count > 0 && bytes > maxBytes) break;
      count++;
      this.hold(-messageBytes(message));
    }
    const messages = this.source.chunks.shared(this.buffer.splice(0, count), this.pattern);
    this.source.counters.replayed += count;
    const { replayBufferMaxBytes } = this.source.history;
    const hasRoom = this.buffer.length === 0 || this.bufferBytes * 2 < Math.min(replayBufferMaxBytes, this.pausedBytes);
    if (this.state === 'paused' && hasRoom) this.unpause();
    return messages;
  }

  private unpause(): void {
    this.state = 'reading';
    this.desk?.resumed(this);
  }
}

function digestOfEntry({ key, message, marker }: LogEntry): number {
  return digestOf(key, message, marker);
}
