/** Callers that wait until members of a group have caught up, or have left it. */
export class CatchUpWaiters<Member> {
  private readonly waiting = new Map<Member, (() => void)[]>();

  add(member: Member): Promise<void> {
    return new Promise((resolve) => {
      const known = this.waiting.get(member);
      if (known) known.push(resolve);
      else this.waiting.set(member, [resolve]);
    });
  }

  release(member: Member): void {
    const waiting = this.waiting.get(member);
    if (!waiting) return;
    this.waiting.delete(member);
    for (const resolve of waiting) resolve();
  }
}
