/**
 * The members of a group that have not caught up, under a policy that may leave messages out (`slow-policy.ts`). Their
 * messages go to their backlogs.
 */
import type { BackloggedGroup, BackloggedMessage, SetAside } from './backlog.js';
import type { Missed } from './gaps.js';
import type { BacklogHolder } from './group-encoder.js';

export class SlowMembers<Member> {
  private readonly holders = new Map<Member, BacklogHolder>();
  /** Messages since the last write of the group. */
  private pending: BackloggedMessage[] = [];

  constructor(private readonly group: BackloggedGroup) {}

  get isEmpty(): boolean {
    return this.holders.size === 0;
  }

  has(member: Member): boolean {
    return this.holders.has(member);
  }

  members(): Iterable<Member> {
    return this.holders.keys();
  }

  add(member: Member, holder: BacklogHolder, setAside: SetAside): void {
    this.holders.set(member, holder);
    holder.backlog.enter(this.group, setAside);
  }

  /** Everything for the member is written. */
  remove(member: Member): void {
    this.holders.delete(member);
  }

  /** Writes what waits for the member, which leaves the group. Returns whether it was here. */
  leave(member: Member): boolean {
    const holder = this.holders.get(member);
    holder?.backlog.leave(this.group);
    return this.holders.delete(member);
  }

  push(message: BackloggedMessage): void {
    this.pending.push(message);
  }

  keepPending(): void {
    const { pending } = this;
    this.pending = [];
    const shared = { sharers: this.holders.size };
    for (const { backlog } of this.holders.values())
      for (const message of pending) backlog.keep(this.group, message, shared);
  }

  /** Returns false if the member is not here. */
  keep(member: Member, message: BackloggedMessage, missed: Missed): boolean {
    const holder = this.holders.get(member);
    holder?.backlog.keep(this.group, message, { missed });
    return holder !== undefined;
  }
}
