/**
 * Reads of the histories' streams for returning clients, on a connection of their own: a replay must not delay live
 * messages in a socket. The connection is opened when it is needed, and closed after a minute without a read. A pass
 * over a stream serves all reads that it has yet to come past. The caller bounds the number of reads.
 */
import type { ReadEnd } from '../../history.js';
import { openLink } from '../consume/channel-pool.js';
import type { Link } from '../consume/channel-pool.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { StreamPass } from './stream-pass.js';
import type { AttachedRead, StreamRead } from './stream-pass.js';

const IDLE_MS = 60_000;
/** A read joins a pass that comes to it after at most this number of entries: about half a second. */
const JOIN_MAX = 10_000;

export class StreamReaders {
  private link: Link | undefined;
  private idle: NodeJS.Timeout | undefined;
  private readonly passes = new Set<StreamPass>();
  private isClosed = false;

  constructor(
    private readonly options: RabbitMqOptions,
    private readonly open: typeof openLink = openLink,
  ) {}

  /** The number of consumers. */
  get count(): number {
    return this.passes.size;
  }

  read(stream: string, read: StreamRead, signal: AbortSignal): Promise<ReadEnd> {
    if (signal.aborted) return Promise.resolve('stopped');
    if (this.isClosed) return Promise.resolve('away');
    return new Promise((resolve) => {
      const stop = (): void => pass.stop(attached);
      const end = (reason: ReadEnd): void => {
        signal.removeEventListener('abort', stop);
        resolve(reason);
      };
      const attached: AttachedRead = { ...read, hasBegun: false, end };
      signal.addEventListener('abort', stop);
      const pass = this.passFor(stream, read.offset);
      pass.attach(attached);
    });
  }

  private passFor(stream: string, offset: number): StreamPass {
    for (const pass of this.passes) {
      const distance = pass.stream === stream ? pass.distanceTo(offset) : undefined;
      if (distance !== undefined && distance <= JOIN_MAX) return pass;
    }
    return this.begin(stream, offset);
  }

  private begin(stream: string, offset: number): StreamPass {
    clearTimeout(this.idle);
    this.link ??= this.connect();
    const pass: StreamPass = new StreamPass({ stream, offset }, this.link, this.options, () => this.ended(pass));
    this.passes.add(pass);
    void pass.run();
    return pass;
  }

  private connect(): Link {
    const link = this.open('history', this.options);
    link.connection.start();
    return link;
  }

  private ended(pass: StreamPass): void {
    this.passes.delete(pass);
    if (this.passes.size === 0 && !this.isClosed) this.idle = setTimeout(() => void this.disconnect(), IDLE_MS);
  }

  private async disconnect(): Promise<void> {
    clearTimeout(this.idle);
    const { link } = this;
    this.link = undefined;
    await link?.connection.close();
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const pass of [...this.passes]) pass.close();
    await this.disconnect();
  }
}
