/**
 * Keeps the order of a stream's deliveries, and finds out whether a jump in their offsets is a gap. RabbitMQ puts records
 * of its own into a stream, mostly at the ends of segments, which leaves jumps. A consumer that retention overtakes
 * continues at the first segment that is left, which looks the same. So at a jump this class holds what comes, and asks
 * for the first offset that is left. If that is not behind the jump, nothing was missed, because retention only moves
 * forward.
 */
import type { ConsumeMessage } from 'amqplib';

export interface OrderedEntries {
  pass(offset: number, message: ConsumeMessage): void;
  /** Retention has removed entries that were not passed on. The next one passed has at least this offset. */
  missing(firstOffset: number): void;
  /** It could not be found out, or too much came meanwhile: nothing follows. */
  failed(reason: string): void;
  /** The first offset in the stream; undefined if none was found. */
  firstOffset(): Promise<number | undefined>;
}

export class EntryOrder {
  private held: { readonly offset: number; readonly message: ConsumeMessage }[] = [];
  private heldBytes = 0;
  private isStopped = false;

  constructor(
    /** The offset of the last entry that was passed on; undefined if any may come. */
    private last: number | undefined,
    private readonly heldMaxBytes: number,
    private readonly user: OrderedEntries,
  ) {}

  take(offset: number, message: ConsumeMessage): void {
    if (this.isStopped) return;
    if (this.held.length > 0) return this.hold(offset, message);
    if (this.last !== undefined && offset !== this.last + 1) {
      // A consumer that RabbitMQ moved to another replica may get entries again
      if (offset <= this.last) return;
      this.hold(offset, message);
      return void this.check(this.last + 1);
    }
    this.last = offset;
    this.user.pass(offset, message);
  }

  /** Ignores everything from now on. */
  stop(): void {
    this.isStopped = true;
    this.held = [];
  }

  private hold(offset: number, message: ConsumeMessage): void {
    this.held.push({ offset, message });
    this.heldBytes += message.content.length;
    if (this.heldBytes > this.heldMaxBytes) this.fail('too much came during a check of the history');
  }

  private async check(expected: number): Promise<void> {
    const answer = await this.user.firstOffset().then(
      (first) => first ?? 'the history was empty during a check',
      (error: unknown) => (error as Error).message,
    );
    if (this.isStopped) return;
    if (typeof answer === 'string') return this.fail(answer);
    if (answer > expected) {
      this.user.missing(answer);
      this.last = undefined;
    }
    const { held } = this;
    this.held = [];
    this.heldBytes = 0;
    for (const { offset, message } of held) this.passHeld(offset, message);
  }

  /** The answer counts for all jumps among the entries that were held. */
  private passHeld(offset: number, message: ConsumeMessage): void {
    if (this.isStopped || (this.last !== undefined && offset <= this.last)) return;
    this.last = offset;
    this.user.pass(offset, message);
  }

  private fail(reason: string): void {
    this.stop();
    this.user.failed(reason);
  }
}
