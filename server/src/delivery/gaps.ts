/**
 * The members of a group that did not get messages, because these were too large or because the relay lost them. The
 * next message reports it to each of them. Members that joined later have missed nothing.
 */
import type { Gap } from '../brokers/history.js';

export interface Missed {
  /** Messages in a row that were too large. */
  readonly tooLarge: number;
  /** A gap in the history that the member does not know of. */
  readonly gap?: Gap | undefined;
}

const NOTHING: Missed = { tooLarge: 0 };

/** Both gaps, as one from the beginning of the first to the end of the second. */
export function mergedGap(first: Gap | undefined, second: Gap | undefined): Gap | undefined {
  return first && second ? { ...second, from: first.from } : (second ?? first);
}

export class Gaps<Member> {
  private missed = new Map<Member, Missed>();

  get isEmpty(): boolean {
    return this.missed.size === 0;
  }

  add(members: readonly Member[]): void {
    for (const member of members) {
      const { tooLarge, gap } = this.of(member);
      this.missed.set(member, { tooLarge: tooLarge + 1, gap });
    }
  }

  addTooLarge(member: Member, count: number): void {
    if (count > 0) this.missed.set(member, { ...this.of(member), tooLarge: count });
  }

  addGap(member: Member, gap: Gap): void {
    const { tooLarge, gap: before } = this.of(member);
    this.missed.set(member, { tooLarge, gap: mergedGap(before, gap) });
  }

  /** The caller reports it now, or the member has left. */
  take(member: Member): Missed {
    const missed = this.of(member);
    this.missed.delete(member);
    return missed;
  }

  /** The gap alone, for a caller that reports it without a message. */
  takeGap(member: Member): Gap | undefined {
    const { tooLarge, gap } = this.take(member);
    if (tooLarge > 0) this.missed.set(member, { tooLarge });
    return gap;
  }

  /** Sorts all members by what they missed: members that missed the same get the same bytes. */
  takeAll(members: readonly Member[]): [missed: Missed, members: Member[]][] {
    const alike = new Map<string, [Missed, Member[]]>();
    for (const member of members) {
      const missed = this.take(member);
      const key = `${missed.tooLarge} ${missed.gap?.from} ${missed.gap?.to}`;
      const others = alike.get(key);
      if (others) others[1].push(member);
      else alike.set(key, [missed, [member]]);
    }
    return [...alike.values()];
  }

  private of(member: Member): Missed {
    return this.missed.get(member) ?? NOTHING;
  }
}
