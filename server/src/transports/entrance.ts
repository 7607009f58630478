/**
 * Lets new clients in by turns: in each turn of the event loop they may take 10 ms together, so that a thousand who come
 * at once (a relay has been restarted) do not keep waiting those who are served already. While the process is overloaded
 * nobody is let in at all, and never more than `connectsPerSecondMax`. Whoever has to wait stands in one line, which is
 * bounded; who has waited for too long is turned away, and may come back.
 */
export interface Guest {
  letIn(): void;
  /** Tells it to come back later. */
  turnAway(why: Refusal): void;
}

/** There was no room for too long, or there is nothing to come in to any more. */
export type Refusal = 'overloaded' | 'too-many-connects' | 'shutting-down';

export interface EntranceOptions {
  /** How long a new client may have to wait. */
  readonly waitMaxMs: number;
  /** How many may. */
  readonly waitingMax: number;
  /** 0: as many as there is time for. */
  readonly connectsPerSecondMax: number;
}

/** So many a second. */
export interface Pace {
  /** How long until the next may come. 0: now. */
  readonly waitMs: number;
  /** One has come. */
  count(): void;
}

/** What the process feels. */
export interface Load {
  readonly isOverloaded: boolean;
}

interface Waiting {
  readonly guest: Guest;
  readonly until: number;
  readonly why: Refusal;
}

const TURN_MS = 10;
/** How often is asked whether overload is over, and whether more may come. */
const ASK_AGAIN_MS = 50;

export class Entrance {
  turnedAway = 0;
  readonly #line: Waiting[] = [];
  #turnEndsAt: number | undefined;
  #asking: NodeJS.Timeout | undefined;
  #isStopped = false;
  readonly #pace: Pace | undefined;

  constructor(
    private readonly options: EntranceOptions,
    private readonly load: Load,
    createPace: (perSecond: number) => Pace,
    private readonly now: () => number = () => performance.now(),
  ) {
    if (options.connectsPerSecondMax > 0) this.#pace = createPace(options.connectsPerSecondMax);
  }

  get waiting(): number {
    return this.#line.length;
  }

  arrive(guest: Guest): void {
    if (this.#isStopped || this.#line.length >= this.options.waitingMax) {
      this.#turnAway(guest, this.#obstacle);
    } else if (this.#line.length === 0 && this.#isOpen && this.#hasTime()) {
      this.#letIn(guest);
    } else {
      this.#line.push({ guest, until: this.now() + this.options.waitMaxMs, why: this.#obstacle });
      this.#goOnLater();
    }
  }

  /** Turns away all who wait, and whoever comes. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#asking);
    for (const { guest } of this.#line.splice(0)) this.#turnAway(guest, 'shutting-down');
  }

  get #isOpen(): boolean {
    return !this.load.isOverloaded && !this.#isTooFast;
  }

  /** Why somebody who comes now has to wait: those before may have had to, too. */
  get #obstacle(): Refusal {
    if (this.#isStopped) return 'shutting-down';
    if (this.load.isOverloaded) return 'overloaded';
    return this.#isTooFast ? 'too-many-connects' : (this.#line.at(-1)?.why ?? 'overloaded');
  }

  get #isTooFast(): boolean {
    return this.#pace !== undefined && this.#pace.waitMs > 0;
  }

  #letIn(guest: Guest): void {
    this.#pace?.count();
    guest.letIn();
  }

  /** Begins a turn where none is under way. */
  #hasTime(): boolean {
    if (this.#turnEndsAt === undefined) {
      this.#turnEndsAt = this.now() + TURN_MS;
      setImmediate(this.#nextTurn);
    }
    return this.now() < this.#turnEndsAt;
  }

  readonly #nextTurn = (): void => {
    this.#turnEndsAt = undefined;
    this.#asking = undefined;
    this.#serve();
    if (this.#line.length > 0) this.#goOnLater();
  };

  #serve(): void {
    for (let head = this.#line[0]; head !== undefined; head = this.#line[0]) {
      const isOverdue = this.now() >= head.until;
      if ((!isOverdue && !this.#isOpen) || !this.#hasTime()) return;
      this.#line.shift();
      if (isOverdue) this.#turnAway(head.guest, head.why);
      else this.#letIn(head.guest);
    }
  }

  #goOnLater(): void {
    if (this.#turnEndsAt !== undefined || this.#asking !== undefined || this.#isStopped) return;
    this.#asking = setTimeout(this.#nextTurn, ASK_AGAIN_MS);
  }

  #turnAway(guest: Guest, why: Refusal): void {
    this.turnedAway++;
    guest.turnAway(why);
  }
}
