/** All connections of a run: opened `CONNECTING_MAX` at a time, logged in, subscribed, kept alive by heart-beats. */
import { Client, webSocketFrame } from './client.js';
import type { ClientEvents } from './client.js';
import type { Load } from './load.js';
import { PROTOCOLS } from './protocols.js';
import type { Protocol } from './protocols.js';

const CONNECTING_MAX = 64;
const SET_UP_SECONDS = 90;
/** Below the ten seconds that CONNECT promises. */
const HEART_BEAT_MS = 8_000;

export class Sessions {
  readonly publishers: Client[] = [];
  ready = 0;
  failed = 0;
  disconnects = 0;
  firstProblem = '';
  private readonly protocol: Protocol;
  private readonly subscribers: Client[] = [];
  private connecting = 0;
  private beats: NodeJS.Timeout | undefined;
  private changed = (): void => undefined;

  constructor(
    private readonly load: Load,
    private readonly events: Pick<ClientEvents, 'arrived' | 'delivered' | 'malformed'>,
  ) {
    this.protocol = PROTOCOLS[load.protocol];
  }

  /** Resolves when every session has subscribed or failed. */
  async open(): Promise<void> {
    this.beatHearts();
    const total = this.load.subscribers + this.load.publishers;
    const deadline = performance.now() + SET_UP_SECONDS * 1_000;
    for (let next = 0; this.ready + this.failed < total;) {
      while (next < total && this.connecting < CONNECTING_MAX) this.connect(next++);
      const left = deadline - performance.now();
      if (left <= 0) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.changed = () => undefined;
    const missing = total - this.ready - this.failed;
    if (missing > 0) this.note(`${missing} sessions were not ready in ${SET_UP_SECONDS} s`);
    this.failed += missing;
  }

  close(): void {
    clearInterval(this.beats);
    for (const client of [...this.subscribers, ...this.publishers]) client.close();
  }

  /** Keeps the first problem, which usually causes the later ones. */
  note(problem: string): void {
    if (this.firstProblem === '') this.firstProblem = problem;
  }

  private connect(number: number): void {
    const isPublisher = number >= this.load.subscribers;
    const index = isPublisher ? number - this.load.subscribers : number;
    const client = new Client({ index, isPublisher, topic: index % this.load.topics }, this.load, this.protocol, {
      ...this.events,
      ready: () => {
        this.ready += 1;
        this.connecting -= 1;
        this.changed();
      },
      ended: ({ state }, why) => {
        this.note(why);
        if (state === 'ready') this.disconnects += 1;
        else {
          this.failed += 1;
          this.connecting -= 1;
        }
        this.changed();
      },
    });
    this.connecting += 1;
    (isPublisher ? this.publishers : this.subscribers).push(client);
  }

  /** Sends for a hundredth of the sessions at a time, to keep the event loop free. */
  private beatHearts(): void {
    const { heartBeat, isBinary } = this.protocol;
    if (!heartBeat) return;
    const frame = this.load.transport === 'tcp' ? heartBeat : webSocketFrame(isBinary ? 2 : 1, heartBeat);
    let turn = 0;
    this.beats = setInterval(() => {
      for (const clients of [this.subscribers, this.publishers]) {
        for (let i = turn; i < clients.length; i += 100) if (clients[i]?.state === 'ready') clients[i]?.write(frame);
      }
      turn = (turn + 1) % 100;
    }, HEART_BEAT_MS / 100);
  }
}
