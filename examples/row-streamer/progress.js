/**
 * Shows the progress: on a terminal one line that is redrawn, elsewhere (a log) a plain line every few seconds.
 *
 *   4,200 of 10,080 rows (41 %)   20 rows/s   1 in flight   4:54 left
 */
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';

const DRAW_MS = 200;
const PLAIN_MS = 5_000;
/** The displayed speed is the average over this time. */
const SPEED_OF_MS = 5_000;
const ERASE_LINE = '\r\x1b[2K';

export class Progress {
  /** Shown after the figures, such as the state of the relay. */
  note = '';
  #out;
  #counts;
  #total;
  #now;
  #timer;
  #startedAt;
  /** [time in ms, rows confirmed by then], oldest first. */
  #samples;

  /**
   * @param {{ isTTY?: boolean, columns?: number, write(text: string): unknown }} out
   * @param {{ published: number, confirmed: number }} counts read at each redraw
   * @param {{ total?: number | undefined, now?: () => number }} about `total` if it is known; `now` in ms
   */
  constructor(out, counts, { total, now = () => performance.now() } = {}) {
    this.#out = out;
    this.#counts = counts;
    this.#total = total;
    this.#now = now;
    this.#startedAt = now();
    this.#samples = [[this.#startedAt, counts.confirmed]];
  }

  start() {
    this.#timer = setInterval(() => this.show(), this.#out.isTTY ? DRAW_MS : PLAIN_MS);
    this.show();
  }

  stop() {
    clearInterval(this.#timer);
    if (this.#out.isTTY) this.#out.write(ERASE_LINE);
  }

  /** Prints a separate line above the one that is redrawn. */
  print(line) {
    this.#out.write(this.#out.isTTY ? `${ERASE_LINE}${line}\n` : `${line}\n`);
  }

  show() {
    const line = this.#line();
    if (!this.#out.isTTY) return void this.#out.write(`${line}\n`);
    this.#out.write(ERASE_LINE + line.slice(0, (this.#out.columns ?? 80) - 1)); // a longer line would wrap
  }

  summary() {
    const { published, confirmed } = this.#counts;
    const ms = Math.max(1, this.#now() - this.#startedAt);
    const of = this.#total === undefined ? '' : ` of ${grouped(this.#total)}`;
    const open = published === confirmed ? '' : `; ${grouped(published - confirmed)} more sent, not confirmed`;
    const speed = speedText((confirmed * 1_000) / ms);
    return `published ${grouped(confirmed)}${of} rows in ${duration(ms)} (${speed})${open}`;
  }

  #line() {
    const { published, confirmed } = this.#counts;
    const speed = this.#speed();
    const parts = [this.#rows(), speedText(speed), `${grouped(published - confirmed)} in flight`];
    if (this.#total !== undefined && speed > 0) {
      parts.push(`${duration((Math.max(0, this.#total - confirmed) * 1_000) / speed)} left`);
    }
    if (this.note !== '') parts.push(this.note);
    return parts.join('   ');
  }

  #rows() {
    const rows = grouped(this.#counts.confirmed);
    if (this.#total === undefined) return `${rows} rows`;
    const percent = this.#total === 0 ? 100 : Math.floor((this.#counts.confirmed * 100) / this.#total);
    return `${rows} of ${grouped(this.#total)} rows (${percent} %)`;
  }

  #speed() {
    const now = this.#now();
    this.#samples.push([now, this.#counts.confirmed]);
    while (this.#samples.length > 2 && this.#samples[1][0] <= now - SPEED_OF_MS) this.#samples.shift();
    const [time, confirmed] = this.#samples[0];
    return now > time ? ((this.#counts.confirmed - confirmed) * 1_000) / (now - time) : 0;
  }
}

const grouped = (count) => count.toLocaleString('en-US');

const speedText = (speed) => `${speed < 10 ? speed.toFixed(1) : grouped(Math.round(speed))} rows/s`;

/** 4:05, or 1:04:05 */
function duration(ms) {
  const seconds = Math.round(ms / 1_000);
  const two = (count) => String(count).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
