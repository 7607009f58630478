/**
 * The members of a group that did not get messages because they were too large, and how many in a row. The next message
 * reports the number to each of them. Members that joined later have missed nothing.
 */
export class Gaps<Member> {
  private missed = new Map<Member, number>();

  get isEmpty(): boolean {
    return this.missed.size === 0;
  }

  add(members: readonly Member[]): void {
    for (const member of members) this.missed.set(member, (this.missed.get(member) ?? 0) + 1);
  }

  /** The number of messages that `member` has missed. The caller reports it now, or the member has left. */
  take(member: Member): number {
    const count = this.missed.get(member) ?? 0;
    this.missed.delete(member);
    return count;
  }

  /** Sorts all members by the number of missed messages: members with equal numbers get the same bytes. */
  takeAll(members: readonly Member[]): Map<number, Member[]> {
    const alike = new Map<number, Member[]>();
    for (const member of members) {
      const count = this.take(member);
      const others = alike.get(count);
      if (others) others.push(member);
      else alike.set(count, [member]);
    }
    return alike;
  }
}
