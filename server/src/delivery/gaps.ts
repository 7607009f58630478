/**
 * Which members of a group were not sent messages that were too large, and how many in a row, until the next message says so
 * to each of them. Members that have joined since have missed nothing.
 */
export class Gaps<Member> {
  private missed = new Map<Member, number>();

  get isEmpty(): boolean {
    return this.missed.size === 0;
  }

  add(members: readonly Member[]): void {
    for (const member of members) this.missed.set(member, (this.missed.get(member) ?? 0) + 1);
  }

  /** How many `member` has missed; it is told with what it is sent now, or has left. */
  take(member: Member): number {
    const count = this.missed.get(member) ?? 0;
    this.missed.delete(member);
    return count;
  }

  /** All of them by how many they have missed: those with the same number can be sent the same bytes. */
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
