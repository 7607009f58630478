/** The maximum of a value that is polled. */
import { setTimeout as delay } from 'node:timers/promises';

export class HighMark {
  private most = 0;
  private isRunning = true;
  private readonly reading: Promise<void>;

  constructor(
    read: () => Promise<number>,
    private readonly pollMs: number,
  ) {
    this.reading = this.run(read);
    this.reading.catch(() => undefined); // stop() rejects with it
  }

  async stop(): Promise<number> {
    this.isRunning = false;
    await this.reading;
    return this.most;
  }

  private async run(read: () => Promise<number>): Promise<void> {
    for (; this.isRunning; await delay(this.pollMs)) this.most = Math.max(this.most, await read());
  }
}
