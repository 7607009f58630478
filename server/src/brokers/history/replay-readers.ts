/**
 * The readers of a rule's log, for positions that are older than the ring. A relay has few readers, so each serves all
 * clients that wait for entries which it has yet to read.
 */
import type { HistoryLog, LogEntry, ReadEnd, RecoveryReason } from '../history.js';
import type { Clock } from './clock.js';
import { HistoryMessage } from './history-message.js';
import type { Anchor } from './history-message.js';
import { LogReader } from './log-reader.js';
import type { PoolUser, ReaderPool } from './reader-pool.js';
import type { ReaderDesk, ReaderReplay } from './reader-replay.js';
import { ReplayGathering } from './replay-gathering.js';

export interface ReaderSettings {
  readonly replayWaitMs: number;
  readonly replayTimeoutMs: number;
}

/** The feed, as readers see it. */
export interface ReaderFeed {
  readonly rule: { readonly name: string };
  /** A reader has met the ring. It may know a marker from before. */
  learn(anchor: Anchor | undefined): void;
}

/** A replay's times at a reader. */
interface Stay {
  reader: LogReader | undefined;
  usedMs: number;
  workingSince: number | undefined;
  cancelTimer: () => void;
}

/** A replay that is further ahead gets a reader of its own. */
const NEAR = 10_000;

const REASONS: Readonly<Record<Exclude<ReadEnd, 'stopped'>, RecoveryReason>> = {
  'too-old': 'too-old',
  overtaken: 'too-old',
  gone: 'other-history',
  away: 'unavailable',
  deadline: 'busy',
};

export class ReplayReaders implements ReaderDesk, PoolUser {
  /** Those in the pool, or about to enter it, by the offset from which they have to be read. */
  private readonly waiting = new Map<number, Set<ReaderReplay>>();
  private readonly readers = new Set<LogReader>();
  private readonly stays = new Map<ReaderReplay, Stay>();
  private readonly gathering: ReplayGathering;

  constructor(
    private readonly log: Pick<HistoryLog, 'read'>,
    private readonly pool: ReaderPool,
    private readonly settings: ReaderSettings,
    private readonly clock: Clock,
    private readonly feed: ReaderFeed,
  ) {
    this.gathering = new ReplayGathering(pool.gatherMs, clock, (replay) => this.enterPool(replay));
  }

  add(replay: ReaderReplay): void {
    replay.desk = this;
    this.stays.set(replay, { reader: undefined, usedMs: 0, workingSince: undefined, cancelTimer: () => undefined });
    this.wait(replay);
  }

  resumed(replay: ReaderReplay): void {
    if (this.stays.has(replay)) this.wait(replay);
  }

  left(replay: ReaderReplay): void {
    const reader = this.stays.get(replay)?.reader;
    this.forget(replay);
    if (!reader?.isIdle) return;
    reader.isOver = true;
    reader.abort.abort();
  }

  /** The log is another one: no replay can go on. */
  failAll(reason: RecoveryReason): void {
    for (const replay of [...this.stays.keys()]) this.fail(replay, reason);
  }

  /** The reader starts at the first of those that wait nearby, so it serves all of them. */
  run(chosen: ReaderReplay): void {
    this.unlist(chosen);
    let start = chosen.start;
    for (const each of this.waiting.keys()) if (each < start && chosen.start - each <= NEAR) start = each;
    const reader = new LogReader(start, this.pool, this.clock);
    this.readers.add(reader);
    this.attach(chosen, reader);
    this.attachWaiting(start, reader);
    const entry = (each: LogEntry): boolean | Promise<boolean> => this.pass(reader, each);
    this.log.read(reader.start, entry, reader.abort.signal).then(
      (end) => this.ended(reader, end === 'stopped' ? undefined : REASONS[end], end === 'gone'),
      () => this.ended(reader, 'unavailable', true),
    );
  }

  private wait(replay: ReaderReplay): void {
    const stay = this.stays.get(replay)!;
    stay.cancelTimer();
    stay.cancelTimer = this.clock.after(this.settings.replayWaitMs, () => this.fail(replay, 'busy'));
    this.seekReader(replay);
  }

  private seekReader(replay: ReaderReplay): void {
    const resting = [...this.readers].find((each) => each.waitsFor(replay));
    if (resting) {
      this.stays.get(replay)!.reader = resting;
      return resting.rejoin(replay);
    }
    const reader = this.readerNear(replay);
    if (reader) return this.attach(replay, reader);
    const peers = this.waiting.get(replay.start);
    if (peers) peers.add(replay);
    else this.waiting.set(replay.start, new Set([replay]));
    this.gathering.add(replay);
  }

  private readerNear({ start }: ReaderReplay): LogReader | undefined {
    return [...this.readers].find(({ at, isOver }) => !isOver && at < start && start - at <= NEAR);
  }

  /** It has waited for others that come back with it. The reader of the first one serves those that are near. */
  private enterPool(replay: ReaderReplay): void {
    const reader = this.readerNear(replay);
    if (!reader) return this.pool.enter(replay, this);
    this.unlist(replay);
    this.attach(replay, reader);
  }

  private unlist(replay: ReaderReplay): void {
    this.gathering.delete(replay);
    const peers = this.waiting.get(replay.start);
    if (peers?.delete(replay) && peers.size === 0) this.waiting.delete(replay.start);
  }

  /** A reader that comes by takes those that wait for exactly this offset. */
  private attachWaiting(start: number, reader: LogReader): void {
    const peers = this.waiting.get(start);
    if (!peers) return;
    this.waiting.delete(start);
    for (const replay of peers) {
      this.gathering.delete(replay);
      this.pool.leave(replay);
      this.attach(replay, reader);
    }
  }

  private attach(replay: ReaderReplay, reader: LogReader): void {
    this.stays.get(replay)!.reader = reader;
    reader.replays.add(replay);
  }

  private pass(reader: LogReader, entry: LogEntry): boolean | Promise<boolean> {
    if (reader.isOver) return false;
    const { offset, key, message, marker } = entry;
    reader.moveTo(offset);
    if (this.waiting.size > 0) this.attachWaiting(offset, reader);
    if (marker !== undefined) reader.anchor = { marker: { offset, id: marker } };
    let made: HistoryMessage | undefined;
    for (const replay of reader.replays) {
      if (offset < replay.start) continue;
      const make = (): HistoryMessage => {
        reader.anchor ??= { marker: replay.marker };
        return (made ??= new HistoryMessage(message!, key, offset, this.feed.rule.name, reader.anchor));
      };
      this.beginWork(replay);
      const wish = replay.take(entry, make);
      if (wish === 'pause') {
        this.pause(replay, reader);
        reader.waitFor(replay);
      } else if (wish === 'leave') {
        this.feed.learn(reader.anchor);
        this.forget(replay);
      }
      replay.wake();
    }
    if (reader.isShiftOver) this.release(reader, entry);
    return reader.next();
  }

  /** Its replays wait again, behind those of other accounts. */
  private release(reader: LogReader, entry: LogEntry): void {
    reader.isOver = true;
    for (const replay of [...reader.replays]) {
      const hasBegun = replay.start <= entry.offset;
      if (hasBegun) replay.suspend(entry);
      this.pause(replay, reader);
      this.wait(replay);
    }
  }

  private beginWork(replay: ReaderReplay): void {
    const stay = this.stays.get(replay)!;
    if (stay.workingSince !== undefined) return;
    stay.cancelTimer();
    stay.workingSince = this.clock.now();
    const leftMs = Math.max(0, this.settings.replayTimeoutMs - stay.usedMs);
    stay.cancelTimer = this.clock.after(leftMs, () => this.fail(replay, 'busy'));
  }

  private pause(replay: ReaderReplay, reader: LogReader): void {
    const stay = this.stays.get(replay)!;
    stay.cancelTimer();
    stay.reader = undefined;
    reader.replays.delete(replay);
    if (stay.workingSince === undefined) return;
    stay.usedMs += this.clock.now() - stay.workingSince;
    stay.workingSince = undefined;
    replay.marker = reader.anchor?.marker ?? replay.marker;
  }

  private fail(replay: ReaderReplay, reason: RecoveryReason): void {
    replay.fail(reason);
    this.left(replay);
    replay.wake();
  }

  private forget(replay: ReaderReplay): void {
    const stay = this.stays.get(replay);
    stay?.cancelTimer();
    stay?.reader?.replays.delete(replay);
    this.stays.delete(replay);
    this.unlist(replay);
    this.pool.leave(replay);
    for (const reader of this.readers) reader.waitNoLongerFor(replay);
  }

  /** `concernsAll`: also those whose entries it has not reached. They could be read by another reader otherwise. */
  private ended(reader: LogReader, reason: RecoveryReason | undefined, concernsAll: boolean): void {
    reader.end();
    this.readers.delete(reader);
    for (const replay of [...reader.replays]) {
      const hasBegun = replay.start <= Math.max(reader.at, reader.start);
      if (reason && (concernsAll || hasBegun)) this.fail(replay, reason);
      else {
        reader.replays.delete(replay);
        this.stays.get(replay)!.reader = undefined;
        this.seekReader(replay);
      }
    }
    this.pool.ended();
  }
}
