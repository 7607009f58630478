/** Answers returning clients: waits until this relay can judge the position, then makes the replay or gives the reason. */
import type { KeyLimits } from '../../destinations/key-limits.js';
import type { Account } from '../../load/accounts.js';
import type { SharedDestination } from '../broker.js';
import type { RecoveryReason, Resumption } from '../history.js';
import type { Clock } from './clock.js';
import type { HistorySettings } from './feed-settings.js';
import type { HeadWaiters } from './head-waiters.js';
import { coversDestination, keyPatternOf } from './history-rules.js';
import type { RulePlace } from './history-rules.js';
import type { KeyPattern } from './key-table.js';
import type { Markers } from './markers.js';
import { parsePosition } from './position.js';
import type { Place } from './position.js';
import { ENTRY_MIN_BYTES, ReaderReplay, startOf } from './reader-replay.js';
import type { ProvenPlace, ReaderSource } from './reader-replay.js';
import { planReplay } from './replay-plan.js';
import type { ReplayPlan } from './replay-plan.js';
import type { ReplayReaders } from './replay-readers.js';
import { RingReplay } from './ring-replay.js';

/** The feed, as far as verdicts depend on it. */
export interface ResumeSource extends ReaderSource {
  readonly state: 'new' | 'starting' | 'live' | 'closed';
  readonly markers: Markers;
  readonly history: HistorySettings;
}

export interface ResumerParts {
  readonly source: ResumeSource;
  readonly place: RulePlace;
  readonly topics: KeyLimits;
  /** True if `read` never has anything: then no reader is worth a wait. */
  readonly isWholeInRing: boolean;
  readonly head: HeadWaiters;
  readonly readers: ReplayReaders;
  readonly clock: Clock;
}

export class Resumer {
  constructor(private readonly parts: ResumerParts) {}

  /** Never rejects. */
  async resume(destination: SharedDestination, text: string, account?: Account): Promise<Resumption> {
    const { counters } = this.parts.source;
    const resumption = await this.decide(destination, text, account);
    if (resumption.recovered) counters.recovered++;
    else counters.refuse(resumption.reason);
    return resumption;
  }

  private async decide(destination: SharedDestination, text: string, account: Account): Promise<Resumption> {
    const pattern = this.patternOf(destination);
    if (!pattern) return refused('not-recoverable');
    const place = parsePosition(text);
    if (!place) return refused('unknown-position');
    const { source, clock, head, isWholeInRing } = this.parts;
    const newDeadline = (): number => clock.now() + source.history.catchUpTimeoutMs;
    let deadline = newDeadline();
    // Each wait can end in another state of the feed, or with another log
    for (;;) {
      const plan = await this.planBy(deadline, place);
      if (typeof plan === 'string') return refused(plan);
      if (plan.from === 'ahead') continue;
      const { life } = source;
      const resumption = await this.resumptionOf(plan, place, pattern, account);
      if (resumption.recovered || isWholeInRing) return resumption;
      if (plan.from === 'reader') deadline = newDeadline();
      // A reset refuses what readers have not proven yet. The log that replaces the last one may have the position
      if (source.life !== life) continue;
      if (resumption.reason !== 'other-history') return resumption;
      // This relay's log may be the one of the past, because it has not learned yet that there is another
      const reach = await head.reach(Infinity, deadline);
      if (reach === 'late') return refused('unavailable');
      if (reach === 'beyond') return resumption;
    }
  }

  private resumptionOf(
    plan: Exclude<ReplayPlan, { from: 'ahead' }>,
    place: Place,
    pattern: KeyPattern,
    account: Account,
  ): Promise<Resumption> | Resumption {
    if (plan.from === 'nowhere') return refused(plan.reason);
    if (plan.from === 'ring') return this.fromRing(place, pattern);
    const { marker, isMarkerProven } = plan;
    return this.fromReader({ ...place, marker, isMarkerProven }, pattern, account);
  }

  /** Undefined for a subscription that this history does not cover, or that the broker refuses. */
  private patternOf(destination: SharedDestination): KeyPattern | undefined {
    const { place, topics } = this.parts;
    if (!coversDestination(place, destination)) return undefined;
    try {
      return keyPatternOf(destination, topics);
    } catch {
      return undefined;
    }
  }

  /** Waits once, if it has to. */
  private async planBy(deadline: number, place: Place): Promise<ReplayPlan | RecoveryReason> {
    const { source, head } = this.parts;
    if (source.state !== 'live') {
      if (source.state === 'closed' || !(await head.live(deadline))) return 'unavailable';
      return { from: 'ahead' };
    }
    const plan = planReplay(place, source.ring, source.markers);
    if (plan.from !== 'ahead') return plan;
    const reach = await head.reach(place.offset, deadline);
    if (reach === 'late') return 'ahead';
    return reach === 'beyond' ? 'other-history' : plan;
  }

  private fromRing({ offset }: Place, pattern: KeyPattern): Resumption {
    const { source } = this.parts;
    const count = source.ring.count(offset, pattern);
    return { recovered: true, replay: new RingReplay(source, pattern, offset, count) };
  }

  private fromReader(place: ProvenPlace, pattern: KeyPattern, account: Account): Promise<Resumption> | Resumption {
    const { source, readers, isWholeInRing } = this.parts;
    if (isWholeInRing) return refused('too-old');
    const leastBytes = (source.ring.newest - startOf(place)) * ENTRY_MIN_BYTES;
    if (leastBytes > source.history.replayMaxBytes) return refused('too-much');
    return new Promise((resolve) => {
      const replay = new ReaderReplay({ source, pattern, account }, place, (refusal) =>
        resolve(refusal === undefined ? { recovered: true, replay } : refused(refusal)),
      );
      readers.add(replay);
    });
  }
}

function refused(reason: RecoveryReason): Resumption {
  return { recovered: false, reason };
}
