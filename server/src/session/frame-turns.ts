/**
 * Whose frames are handled when. What one client sends at once can hold hundreds of thousands of frames, and each SEND can
 * reach thousands of groups: so all sessions together spend only so much of a turn of the event loop on frames. A session
 * that has more to do stands in line for the next turns; the first frame of a client that is not in line never waits.
 */
const TURN_MS = 10;

export class FrameTurns {
  private endsAt: number | undefined;
  private line: (() => void)[] = [];

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Whether this turn's time is used up. To be asked after each frame. */
  get isOver(): boolean {
    if (this.endsAt === undefined) this.begin();
    return this.now() >= (this.endsAt ?? 0);
  }

  /** Runs `proceed` in a later turn, behind those who wait already. */
  later(proceed: () => void): void {
    this.line.push(proceed);
    if (this.endsAt === undefined) this.begin();
  }

  private begin(): void {
    this.endsAt = this.now() + TURN_MS;
    setImmediate(this.next);
  }

  private readonly next = (): void => {
    this.endsAt = undefined;
    const waiting = this.line;
    let served = 0;
    this.line = [];
    while (served < waiting.length && !this.isOver) waiting[served++]!();
    if (waiting.length > 0) this.line = [...waiting.slice(served), ...this.line];
  };
}
