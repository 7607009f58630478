/**
 * How far the members of a group with a history are: the number of messages that each was delivered, and the position of
 * the last one. One number counts for all members that get every write of the group.
 */
import type { Position } from '../brokers/broker.js';

/** A member that does not get the writes of the group at present. */
interface Aside {
  delivered: number;
  position: Position | undefined;
}

export class MemberProgress<Member> {
  private written = 0;
  /** The number of messages that each member was delivered, less `written`. */
  private readonly differences = new Map<Member, number>();
  private readonly aside = new Map<Member, Aside>();

  join(member: Member, delivered: number): void {
    this.differences.set(member, delivered - this.written);
  }

  leave(member: Member): void {
    this.differences.delete(member);
    this.aside.delete(member);
  }

  /** All members but those aside got `count` messages. */
  countAll(count: number): void {
    this.written += count;
  }

  countOne(member: Member): void {
    this.differences.set(member, (this.differences.get(member) ?? -this.written) + 1);
  }

  /** From now on the member gets messages by itself. */
  setAside(member: Member, position: Position | undefined): void {
    this.aside.set(member, { delivered: this.delivered(member), position });
  }

  countAside(member: Member, position: Position | undefined): void {
    const aside = this.aside.get(member);
    if (!aside) return;
    aside.delivered++;
    aside.position = position ?? aside.position;
  }

  rejoin(member: Member): void {
    this.join(member, this.delivered(member));
    this.aside.delete(member);
  }

  delivered(member: Member): number {
    return this.aside.get(member)?.delivered ?? this.written + (this.differences.get(member) ?? -this.written);
  }

  /** Undefined for a member that gets the writes of the group. */
  positionAside(member: Member): Position | undefined {
    return this.aside.get(member)?.position;
  }
}
