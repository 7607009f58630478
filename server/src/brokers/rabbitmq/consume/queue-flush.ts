/**
 * Finds out when everything that RabbitMQ has routed to a queue so far has been delivered: a canary to the queue comes
 * back behind it. One canary is on its way at a time, and serves all callers that asked before it was sent.
 */
import { randomBytes } from 'node:crypto';
import { deferred } from '../amqp/wait-deadline.js';
import type { Deferred } from '../amqp/wait-deadline.js';

const DEADLINE_MS = 2_000;

interface Round {
  readonly token: string;
  readonly done: Deferred<boolean>;
  readonly timer: NodeJS.Timeout;
}

export class QueueFlush {
  private sent: Round | undefined;
  private waiting: Round | undefined;

  constructor(
    /** Sends a canary with this token to the queue. */
    private readonly send: (token: string) => Promise<void>,
    private readonly deadlineMs = DEADLINE_MS,
  ) {}

  /** Resolves with true when it is certain, and with false if the canary could not be sent or is late. */
  flush(): Promise<boolean> {
    this.waiting ??= this.newRound();
    const { promise } = this.waiting.done;
    this.sendNext();
    return promise;
  }

  /** A canary with this token, perhaps of another sender, has come back. */
  returned(token: string): void {
    if (this.sent?.token === token) this.end(this.sent, true);
  }

  close(): void {
    for (const round of [this.waiting, this.sent]) if (round) this.end(round, false);
  }

  private newRound(): Round {
    const token = randomBytes(9).toString('base64url');
    const round: Round = { token, done: deferred(), timer: setTimeout(() => this.end(round, false), this.deadlineMs) };
    return round;
  }

  private sendNext(): void {
    const round = this.waiting;
    if (this.sent || !round) return;
    this.sent = round;
    this.waiting = undefined;
    this.send(round.token).catch(() => this.end(round, false));
  }

  private end(round: Round, isFlushed: boolean): void {
    clearTimeout(round.timer);
    round.done.resolve(isFlushed);
    if (this.waiting === round) this.waiting = undefined;
    if (this.sent !== round) return;
    this.sent = undefined;
    this.sendNext();
  }
}
