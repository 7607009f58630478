/**
 * Lets new clients in by turns: in each turn of the event loop they may take 10 ms together, so that a thousand who come
 * at once (a relay has been restarted) do not keep waiting those who are served already. While the process is overloaded
 * nobody is let in at all. Whoever has to wait stands in one line, which is bounded; who has waited for too long is turned
 * away, and may come back.
 */
export interface Guest {
  letIn(): void;
  /** Tells it to come back later. */
  turnAway(why: Refusal): void;
}

/** There was no room for too long, or there is nothing to come in to any more. */
export type Refusal = 'overloaded' | 'shutting-down';

export interface EntranceOptions {
  /** How long a new client may have to wait. */
  readonly waitMaxMs: number;
  /** How many may. */
  readonly waitingMax: number;
}

/** What the process feels. */
export interface Load {
  readonly isOverloaded: boolean;
}

const TURN_MS = 10;
/** How often an overloaded process is asked whether it still is. */
const ASK_AGAIN_MS = 50;

export class Entrance {
  turnedAway = 0;
  readonly #line: { readonly guest: Guest; readonly until: number }[] = [];
  #turnEndsAt: number | undefined;
  #asking: NodeJS.Timeout | undefined;
  #isStopped = false;

  constructor(
    private readonly options: EntranceOptions,
    private readonly load: Load,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get waiting(): number {
    return this.#line.length;
  }

  arrive(guest: Guest): void {
    if (this.#isStopped || this.#line.length >= this.options.waitingMax) {
      this.#turnAway(guest);
    } else if (this.#line.length === 0 && !this.load.isOverloaded && this.#hasTime()) {
      guest.letIn();
    } else {
      this.#line.push({ guest, until: this.now() + this.options.waitMaxMs });
      this.#goOnLater();
    }
  }

  /** Turns away all who wait, and whoever comes. */
  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#asking);
    for (const { guest } of this.#line.splice(0)) this.#turnAway(guest);
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
      if ((!isOverdue && this.load.isOverloaded) || !this.#hasTime()) return;
      this.#line.shift();
      if (isOverdue) this.#turnAway(head.guest);
      else head.guest.letIn();
    }
  }

  #goOnLater(): void {
    if (this.#turnEndsAt !== undefined || this.#asking !== undefined || this.#isStopped) return;
    this.#asking = setTimeout(this.#nextTurn, ASK_AGAIN_MS);
  }

  #turnAway(guest: Guest): void {
    this.turnedAway++;
    guest.turnAway(this.#isStopped ? 'shutting-down' : 'overloaded');
  }
}
