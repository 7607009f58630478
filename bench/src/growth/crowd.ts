/** Many sessions: connected `CONNECTING_MAX` at a time, kept alive by heart-beats, counted. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../peers.js';
import { Browser } from './browser.js';

const CONNECTING_MAX = 64;
/** Below the ten seconds that CONNECT promises. */
const HEART_BEAT_MS = 8_000;
const TURNS = 100;
const STALL_SECONDS = 60;

/** The topics of one session, in the order of its subscriptions. */
export type TopicsOf = (session: number) => readonly number[];

export class Crowd {
  readonly browsers: Browser[] = [];
  /** Sessions that have ended, whether or not they became ready. */
  ended = 0;
  firstProblem = '';
  delivered: (topic: number) => void = () => undefined;
  private readonly beats: NodeJS.Timeout;
  private turn = 0;
  private isClosing = false;

  constructor(
    private readonly target: Target,
    private readonly topicsOf: TopicsOf,
  ) {
    this.beats = setInterval(() => this.beat(), HEART_BEAT_MS / TURNS);
  }

  /** Resolves with the seconds it took until `count` sessions exist and all their subscriptions are confirmed. */
  async growTo(count: number, onProgress: (ready: number) => void): Promise<number> {
    const begun = performance.now();
    let done = this.browsers.length;
    let next = done;
    let movedAt = begun;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const session = next++;
        await this.connect(session, () => (movedAt = performance.now()));
        done += 1;
      }
    };
    const all = Promise.all(Array.from({ length: CONNECTING_MAX }, worker)).then(() => 'all');
    for (let outcome; outcome !== 'all';) {
      outcome = await Promise.race([all, delay(1_000)]);
      onProgress(done);
      const stalled = performance.now() - movedAt > STALL_SECONDS * 1_000;
      if (this.ended > 0 || (stalled && outcome !== 'all'))
        throw new Error(`${done} of ${count} sessions were ready: ${this.firstProblem || 'no progress'}`);
    }
    return (performance.now() - begun) / 1_000;
  }

  close(): void {
    this.isClosing = true;
    clearInterval(this.beats);
    for (const browser of this.browsers) browser.close();
  }

  private async connect(session: number, moved: () => void): Promise<void> {
    let ready = (): void => undefined;
    const isReady = new Promise<void>((resolve) => (ready = resolve));
    const browser = new Browser(this.target, {
      ready: () => ready(),
      ended: (why) => {
        if (this.isClosing) return;
        this.ended += 1;
        this.note(why);
      },
      problem: (what) => this.note(what),
      delivered: (topic) => this.delivered(topic),
    });
    this.browsers.push(browser);
    await isReady;
    moved();
    const subscribing = this.topicsOf(session).map((topic, i) => browser.subscribe(topic, `sub-${i}`).then(moved));
    await Promise.all(subscribing);
  }

  private note(problem: string): void {
    if (this.firstProblem === '') this.firstProblem = problem;
  }

  /** Sends for a hundredth of the sessions at a time, to keep the event loop free. */
  private beat(): void {
    for (let i = this.turn; i < this.browsers.length; i += TURNS) this.browsers[i]?.beatHeart();
    this.turn = (this.turn + 1) % TURNS;
  }
}
